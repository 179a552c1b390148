"""The journal in PostgreSQL, schema `purchase`: shared by reconciler, plugin and `pulumi up`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from hostwinds.faults import JOURNAL_UNAVAILABLE
from hostwinds.journal.port import Intent, assigned
from kit.database import LIMITS, AdvisoryLock, connection_options
from kit.faults import Fault, first_line
from kit.queries import Queries

SQL = Queries(__file__, str)
CONNECTION = connection_options("penguin-journal", **LIMITS)


def ensure_schema(connection: psycopg.Connection[Any]) -> None:
    """Create the tables on first use, one process at a time: `if not exists` alone races."""
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

    def open(self, key: str) -> tuple[Intent, bool]:
        """Write an intent, or return the existing one."""
        with self._transaction() as connection:
            new = connection.execute(SQL.open, {"key": key}).fetchone()
            intent = _intents(connection.execute(SQL.find, {"key": key}))[0]
        return intent, new is not None

    def find(self, key: str) -> Intent | None:
        """Return an intent."""
        with self._transaction() as connection:
            intents = _intents(connection.execute(SQL.find, {"key": key}))
        return intents[0] if intents else None

    def intents(self) -> list[Intent]:
        """List all intents."""
        with self._transaction() as connection:
            return _intents(connection.execute(SQL.list, {"waiting": False}))

    def waiting(self) -> list[Intent]:
        """List the intents without an outcome, oldest first."""
        with self._transaction() as connection:
            return _intents(connection.execute(SQL.list, {"waiting": True}))

    def settle(self, key: str, outcome: str) -> None:
        """Write the outcome of an intent."""
        with self._transaction() as connection:
            connection.execute(SQL.settle, {"key": key, "outcome": outcome})

    def close(self, key: str) -> None:
        """Delete an intent."""
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
            owned = [outcome for _, outcome in rows if outcome is not None]
            chosen = assigned(waiting, owned, candidates).get(key)
            if chosen is not None:
                connection.execute(SQL.settle, {"key": key, "outcome": chosen})
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

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with psycopg.connect(self._dsn, **CONNECTION) as connection:
                ensure_schema(connection)
                yield connection
        except psycopg.Error as error:
            raise unavailable(error) from None


def _intents(cursor: psycopg.Cursor[Any]) -> list[Intent]:
    return [Intent(*row) for row in cursor.fetchall()]


def _value(cursor: psycopg.Cursor[Any]) -> Any:
    """Return the only column of the first row, None without one."""
    row = cursor.fetchone()
    return None if row is None else row[0]
