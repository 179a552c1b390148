"""The journal in PostgreSQL, schema `purchase`: shared by reconciler, plugin and `pulumi up`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from hostwinds.faults import DATABASE_RESTORED, JOURNAL_UNAVAILABLE, SUPERSEDED
from hostwinds.journal.port import (
    Freeze,
    Frozen,
    Hold,
    Intent,
    Limit,
    Permit,
    assigned,
    is_ordered,
)
from kit.database import AdvisoryLock, connection_options, storable
from kit.faults import Fault, first_line
from kit.queries import Queries

SQL = Queries(__file__, str)
CONNECTION = connection_options("penguin-journal")

LONGEST_HOLD = timedelta(seconds=120)
"""A call has its answer within 70 seconds, or breaks off: who holds a fence for longer was stopped,
and PostgreSQL ends its transaction."""


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
    connection.execute(SQL.bind_first)


def unavailable(error: psycopg.Error) -> Fault:
    """Return the fault of a database that cannot be used."""
    return JOURNAL_UNAVAILABLE(location="PostgreSQL", reason=first_line(error))


class PostgresJournal:
    """One short transaction for each call."""

    def __init__(self, dsn: str, *, longest_hold: timedelta = LONGEST_HOLD) -> None:
        self._dsn = dsn
        self._longest_hold = longest_hold

    def identity(self) -> str:
        """Return the id of this journal."""
        with self._transaction() as connection:
            return str(_value(connection.execute(SQL.identity)))

    def now(self) -> datetime:
        """Return the time of the database."""
        with self._transaction() as connection:
            now: datetime = _value(connection.execute(SQL.now))
            return now

    def replace(self, identity: str) -> None:
        """Take the id of a journal that is lost."""
        with self._transaction() as connection:
            connection.execute(SQL.replace, {"identity": identity})

    def require_bound(self) -> None:
        """Raise DATABASE_RESTORED where the database is another one, or was set back."""
        with self._transaction() as connection:
            connection.execute(SQL.bind_first)
            _require_bound(connection)

    def bind(self) -> None:
        """Go on with the database as it is now."""
        with self._transaction() as connection:
            connection.execute(SQL.bind)

    def unbind(self, why: str) -> None:
        """Let `require_bound` raise until it is bound again."""
        with self._transaction() as connection:
            connection.execute(SQL.unbind, {"why": storable(why)})

    def leave(self, service_ids: Collection[int]) -> None:
        """Write the numbers of servers that a recovery has left."""
        with self._transaction() as connection:
            connection.execute(SQL.leave, {"service_ids": list(service_ids)})

    def left(self) -> set[int]:
        """Return the numbers of such servers."""
        with self._transaction() as connection:
            return {int(row[0]) for row in connection.execute(SQL.left)}

    def bound_at(self) -> datetime | None:
        """Return when it was bound again."""
        with self._transaction() as connection:
            bound_at: datetime | None = _value(connection.execute(SQL.bound_at))
        return bound_at

    def agree(self, key: str, cents: int, owner: str = "") -> int:
        """Write the price of a purchase that is not ordered yet."""
        with self._transaction() as connection:
            connection.execute(SQL.agree, {"key": key, "cents": cents, "owner": owner})
            row = _intents(connection.execute(SQL.find, {"key": key}))[0]
        return cents if row.agreed_cents is None else row.agreed_cents

    def agreed(self, key: str) -> int | None:
        """Return the price that was agreed to."""
        row = self._find(key)
        return None if row is None else row.agreed_cents

    def open(
        self, key: str, *, ceiling: int | None = None, permit: Permit | None = None
    ) -> tuple[Intent, bool]:
        """Write an intent to order, or return the existing one."""
        if permit is not None:
            self.require_bound()
        with self._transaction() as connection:
            if permit is not None:
                _require_bound(connection)
                connection.execute(SQL.lock_orders, {"lock": AdvisoryLock.ORDERS})
                rows = _intents(connection.execute(SQL.list))
                if not is_ordered(key, rows):
                    limits = [Limit(*row) for row in connection.execute(SQL.limits)]
                    permit(rows, limits, _value(connection.execute(SQL.now)))
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

    def begin_end(self, key: str) -> None:
        """Date that the end of a server was accepted."""
        with self._transaction() as connection:
            connection.execute(SQL.begin_end, {"key": key})

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

    def frozen(self, what: Frozen) -> Freeze | None:
        """Return why nothing of a kind may begin now."""
        with self._transaction() as connection:
            row = connection.execute(SQL.frozen, {"what": what}).fetchone()
        return None if row is None else Freeze(what, *row)

    def raise_fence(self, name: str, token: int) -> None:
        """Refuse changes for `name` under a lower token, once no one holds the fence."""
        self.require_bound()
        with self._transaction() as connection:
            self._allow_waiting(connection)
            connection.execute(SQL.lock_fence, {"lock": AdvisoryLock.FENCE, "name": name})
            values = {"name": name, "token": token}
            if token < int(_value(connection.execute(SQL.raise_fence, values))):
                raise SUPERSEDED(name=name)

    def fence(self, name: str) -> int:
        """Return the highest token that was raised for `name`."""
        with self._transaction() as connection:
            return int(_value(connection.execute(SQL.fence, {"name": name})) or 0)

    @contextmanager
    def hold(self, name: str, token: int) -> Iterator[Hold]:
        """Keep the fence from being raised, for as long as a call may take.

        A lock and not a share of the row: who waits to raise it comes before later holders. Only
        reads, so that nothing is lost when the server has ended the transaction meanwhile.
        """
        connection = self._connect()
        try:
            values = {"lock": AdvisoryLock.FENCE, "name": name}
            with _reported():
                self._allow_waiting(connection)
                connection.execute(SQL.share_fence, values)
                _require_bound(connection)
                raised = int(_value(connection.execute(SQL.fence, values)) or 0)
            if token < raised:
                raise SUPERSEDED(name=name)
            yield _Hold(connection)
        finally:
            with suppress(psycopg.Error):
                connection.close()

    def _allow_waiting(self, connection: psycopg.Connection[Any]) -> None:
        """Let a transaction hold a fence for the longest time, and wait as long for others."""
        seconds = self._longest_hold.total_seconds()
        values = {"idle": f"{seconds:g}s", "wait": f"{seconds * 3:g}s"}
        connection.execute(SQL.allow_waiting, values)

    def _connect(self) -> psycopg.Connection[Any]:
        with _reported():
            connection = psycopg.connect(self._dsn, **CONNECTION)
            ensure_schema(connection)
            return connection

    def _find(self, key: str) -> Intent | None:
        with self._transaction() as connection:
            rows = _intents(connection.execute(SQL.find, {"key": key}))
        return rows[0] if rows else None

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        with _reported(), self._connect() as connection:
            connection.execute(SQL.be_durable)
            yield connection


class _Hold:
    """The transaction that holds a fence."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def check(self) -> None:
        """Raise JOURNAL_UNAVAILABLE where the server has ended the transaction."""
        with _reported():
            self._connection.execute(SQL.is_held)


@contextmanager
def _reported() -> Iterator[None]:
    """Report a database that cannot be used as a fault."""
    try:
        yield
    except psycopg.Error as error:
        raise unavailable(error) from None


def _require_bound(connection: psycopg.Connection[Any]) -> None:
    if not _value(connection.execute(SQL.is_bound)):
        raise DATABASE_RESTORED()


def _intents(cursor: psycopg.Cursor[Any]) -> list[Intent]:
    return [Intent(*row) for row in cursor.fetchall()]


def _value(cursor: psycopg.Cursor[Any]) -> Any:
    """Return the only column of the first row, None without one."""
    row = cursor.fetchone()
    return None if row is None else row[0]
