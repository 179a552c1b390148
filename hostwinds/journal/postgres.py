"""The journal in PostgreSQL, schema `purchase`: shared by reconciler, plugin and `pulumi up`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from hostwinds.faults import JOURNAL_UNAVAILABLE
from hostwinds.journal.port import Intent, assigned
from kit.database import AdvisoryLock, connection_options, storable
from kit.faults import Fault, first_line
from kit.queries import Queries

SQL = Queries(__file__, str)
CONNECTION = connection_options("penguin-journal")


def ensure_schema(connection: psycopg.Connection[Any]) -> None:
    """Create or expand the tables, one process at a time: `if not exists` alone races."""
    if _value(connection.execute(SQL.has_schema)):
        return
    with connection.transaction():
        connection.execute(SQL.lock_schema, {"lock": AdvisoryLock.JOURNAL_SCHEMA})
        connection.execute(SQL.create_schema)


def grant_rights(connection: psycopg.Connection[Any], role: str) -> None:
    """Grant a role the rights on the journal that purchases need."""
    ensure_schema(connection)
    connection.execute(sql.SQL(SQL.create_rights).format(role=sql.Identifier(role)))


def unavailable(error: psycopg.Error) -> Fault:
    """Return the fault of a database that cannot be used."""
    return JOURNAL_UNAVAILABLE(location="PostgreSQL", reason=first_line(error))


class PostgresJournal:
    """One short transaction for each call."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def identity(self) -> str:
        """Return the id of this journal."""
        with self._transaction() as connection:
            return str(_value(connection.execute(SQL.identity)))

    def replace(self, identity: str) -> None:
        """Take the id of a journal that is lost."""
        with self._transaction() as connection:
            connection.execute(SQL.replace, {"identity": identity})

    def agree(self, key: str, cents: int) -> int:
        """Write the price of a purchase that is not ordered yet."""
        with self._transaction() as connection:
            connection.execute(SQL.agree, {"key": key, "cents": cents})
            row = _intents(connection.execute(SQL.find, {"key": key}))[0]
        return cents if row.agreed_cents is None else row.agreed_cents

    def agreed(self, key: str) -> int | None:
        """Return the price that was agreed to."""
        row = self._find(key)
        return None if row is None else row.agreed_cents

    def open(self, key: str, *, ceiling: int | None = None) -> tuple[Intent, bool]:
        """Write an intent to order, or return the existing one."""
        with self._transaction() as connection:
            new = connection.execute(SQL.open, {"key": key, "ceiling": ceiling}).fetchone()
            intent = _intents(connection.execute(SQL.find, {"key": key}))[0]
        return intent, new is not None

    def find(self, key: str) -> Intent | None:
        """Return an intent to order."""
        row = self._find(key)
        return row if row is not None and row.ordered else None

    def intents(self) -> list[Intent]:
        """List all intents to order, oldest first."""
        return [row for row in self.ledger() if row.ordered and row.closed_at is None]

    def waiting(self) -> list[Intent]:
        """List the intents to order without an outcome, oldest first."""
        return [intent for intent in self.intents() if intent.outcome is None]

    def ledger(self) -> list[Intent]:
        """List every row, oldest first."""
        with self._transaction() as connection:
            return _intents(connection.execute(SQL.list))

    def answer(self, key: str, text: str) -> None:
        """Write what the provider said."""
        with self._transaction() as connection:
            connection.execute(SQL.answer, {"key": key, "text": storable(text)})

    def settle(self, key: str, outcome: str, account: str = "") -> None:
        """Write the outcome of an intent."""
        with self._transaction() as connection:
            values = {"key": key, "outcome": outcome, "account": account}
            connection.execute(SQL.settle, values)

    def close(self, key: str) -> None:
        """Date the end of a row."""
        with self._transaction() as connection:
            connection.execute(SQL.close, {"key": key})

    def adopt(self, group: str, key: str, candidates: Sequence[str]) -> str | None:
        """Assign a free candidate to an open intent of a group."""
        with self._transaction() as connection:
            rows: list[tuple[str, str | None]] = connection.execute(
                SQL.lock_group, {"prefix": f"{group}/"}
            ).fetchall()
            outcomes = dict(rows)
            if outcomes[key]:
                return outcomes[key]
            waiting = [name for name, outcome in rows if outcome is None]
            owned = [str(outcome) for (outcome,) in connection.execute(SQL.outcomes)]
            chosen = assigned(waiting, owned, candidates).get(key)
            if chosen is not None:
                values = {"key": key, "outcome": chosen, "account": ""}
                connection.execute(SQL.settle, values)
            return chosen

    def adopted(self, group: str) -> list[str]:
        """List the outcomes of the settled intents of a group."""
        with self._transaction() as connection:
            rows = connection.execute(SQL.adopted, {"prefix": f"{group}/"}).fetchall()
        return [str(outcome) for (outcome,) in rows]

    def raise_fence(self, name: str, token: int) -> None:
        """Refuse purchases for `name` under a lower token from now on."""
        with self._transaction() as connection:
            connection.execute(SQL.raise_fence, {"name": name, "token": token})

    def fence(self, name: str) -> int:
        """Return the highest token that was raised for `name`."""
        with self._transaction() as connection:
            return int(_value(connection.execute(SQL.fence, {"name": name})) or 0)

    def _find(self, key: str) -> Intent | None:
        with self._transaction() as connection:
            rows = _intents(connection.execute(SQL.find, {"key": key}))
        return rows[0] if rows else None

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with psycopg.connect(self._dsn, **CONNECTION) as connection:
                ensure_schema(connection)
                connection.execute(SQL.be_durable)
                yield connection
        except psycopg.Error as error:
            raise unavailable(error) from None


def _intents(cursor: psycopg.Cursor[Any]) -> list[Intent]:
    return [Intent(*row) for row in cursor.fetchall()]


def _value(cursor: psycopg.Cursor[Any]) -> Any:
    """Return the only column of the first row, None without one."""
    row = cursor.fetchone()
    return None if row is None else row[0]
