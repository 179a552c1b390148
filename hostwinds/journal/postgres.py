"""The journal in PostgreSQL, schema `purchase`: shared by reconciler, plugin and `pulumi up`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg

from hostwinds.faults import JOURNAL_UNAVAILABLE
from hostwinds.journal.port import Intent, assigned
from kit.database import CONNECTION, AdvisoryLock
from kit.faults import Fault

SCHEMA = """
create schema if not exists purchase;
create table if not exists purchase.intents (
    key text primary key,
    opened_at timestamptz not null default clock_timestamp(),
    outcome text
);
create table if not exists purchase.fences (
    name text primary key,
    token bigint not null
);
create table if not exists purchase.limiter (
    single boolean primary key default true check (single),
    next_slot timestamptz not null default 'epoch',
    taken_at timestamptz not null default 'epoch'
);
alter table purchase.limiter
    add column if not exists taken_at timestamptz not null default 'epoch';
insert into purchase.limiter default values on conflict do nothing;
"""


def ensure_schema(connection: psycopg.Connection[Any]) -> None:
    """Make the tables on first use, and complete those of an earlier version.

    One process at a time: `if not exists` alone races.
    """
    there = connection.execute(
        "select 1 from pg_attribute"
        " where attrelid = to_regclass('purchase.limiter') and attname = 'taken_at'"
    ).fetchone()
    if there:
        return
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [AdvisoryLock.JOURNAL_SCHEMA])
        connection.execute(SCHEMA)


def unavailable(error: psycopg.Error) -> Fault:
    """Say in one line why the journal's database cannot be used."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return JOURNAL_UNAVAILABLE(place="PostgreSQL", reason=said)


class PostgresJournal:
    """One short transaction for each call."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def open(self, key: str) -> tuple[Intent, bool]:
        """Write an intent, or return the one that stands."""
        with self._transaction() as connection:
            new = connection.execute(
                "insert into purchase.intents (key) values (%s) on conflict do nothing returning 1",
                [key],
            ).fetchone()
            return self._one(connection, key), new is not None

    def find(self, key: str) -> Intent | None:
        """Return an intent."""
        with self._transaction() as connection:
            row = connection.execute(
                "select key, opened_at, outcome from purchase.intents where key = %s", [key]
            ).fetchone()
        return Intent(*row) if row else None

    def intents(self) -> list[Intent]:
        """List all intents."""
        with self._transaction() as connection:
            rows = connection.execute(
                "select key, opened_at, outcome from purchase.intents order by opened_at"
            ).fetchall()
        return [Intent(*row) for row in rows]

    def waiting(self) -> list[Intent]:
        """List the intents without an outcome, oldest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                "select key, opened_at, outcome from purchase.intents"
                " where outcome is null order by opened_at"
            ).fetchall()
        return [Intent(*row) for row in rows]

    def settle(self, key: str, outcome: str) -> None:
        """Write what came of an intent."""
        with self._transaction() as connection:
            connection.execute(
                "insert into purchase.intents (key, outcome) values (%s, %s)"
                " on conflict (key) do update set outcome = excluded.outcome",
                [key, outcome],
            )

    def close(self, key: str) -> None:
        """Forget an intent."""
        with self._transaction() as connection:
            connection.execute("delete from purchase.intents where key = %s", [key])

    def adopt(self, group: str, key: str, candidates: Sequence[str]) -> str | None:
        """Give an open intent of a group one free candidate."""
        with self._transaction() as connection:
            rows: list[tuple[str, str | None]] = connection.execute(
                "select key, outcome from purchase.intents where starts_with(key, %s)"
                " order by key for update",
                [f"{group}/"],
            ).fetchall()
            known = dict(rows)
            if known[key]:
                return known[key]
            waiting = [name for name, outcome in rows if outcome is None]
            owned = [outcome for _, outcome in rows if outcome is not None]
            chosen = assigned(waiting, owned, candidates).get(key)
            if chosen is not None:
                connection.execute(
                    "update purchase.intents set outcome = %s where key = %s", [chosen, key]
                )
            return chosen

    def adopted(self, group: str) -> list[str]:
        """List what the settled intents of a group own."""
        with self._transaction() as connection:
            rows = connection.execute(
                "select outcome from purchase.intents"
                " where starts_with(key, %s) and outcome is not null",
                [f"{group}/"],
            ).fetchall()
        return [str(outcome) for (outcome,) in rows]

    def raise_fence(self, name: str, token: int) -> None:
        """Let nobody with a lower token buy for `name` any more."""
        with self._transaction() as connection:
            connection.execute(
                "insert into purchase.fences values (%s, %s) on conflict (name) do update"
                " set token = greatest(purchase.fences.token, excluded.token)",
                [name, token],
            )

    def fence(self, name: str) -> int:
        """Return the highest token that was raised for `name`."""
        with self._transaction() as connection:
            row = connection.execute(
                "select token from purchase.fences where name = %s", [name]
            ).fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def _one(connection: psycopg.Connection[Any], key: str) -> Intent:
        row: tuple[str, datetime, str | None] | None = connection.execute(
            "select key, opened_at, outcome from purchase.intents where key = %s", [key]
        ).fetchone()
        assert row is not None  # noqa: S101 - it was written above in the same transaction
        return Intent(*row)

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with psycopg.connect(self._dsn, **CONNECTION) as connection:
                ensure_schema(connection)
                yield connection
        except psycopg.Error as error:
            raise unavailable(error) from None
