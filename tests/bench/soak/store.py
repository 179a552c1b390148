"""The server of a run, and a filled database of its own for each case."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from controlplane.migrations import upgrade
from kit.paths import checkout
from kit.queries import Queries
from tests.support.installation import INSTALLATION, PASSWORDS
from tools.servers import Postgres

SQL: Queries[str] = Queries(__file__, str)
DIRECTORY = checkout() / "build" / "soak-queue"
DATABASE = "run"
STEP = 100_000
"""Rows of one transaction."""
QUICK: dict[LiteralString, LiteralString] = {
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_wal_size": "'16GB'",
}
"""Settings while a database is filled."""
EVERY = 100
"""Of so many buckets one is not held."""
FIRST_TENANT = 0x0199_0000_0000_7000_8000_0000_0000_0000


@dataclass(frozen=True)
class Case:
    """How deep a queue is; all of it is divided among tenants."""

    rows: int
    buckets: int
    every: int = EVERY

    @property
    def tenants(self) -> int:
        """How many tenants there are; each has buckets that are not held."""
        return max(1, min(256, self.buckets // self.every))

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.rows:,} rows in {self.buckets:,} buckets"


class Store:
    """A PostgreSQL server and its present database."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._admin = psycopg.connect(postgres.dsn(), autocommit=True)

    @property
    def dsn(self) -> str:
        """The superuser's URL of the database."""
        return self._postgres.dsn(DATABASE)

    def fresh(self) -> None:
        """Begin with an empty database."""
        self._admin.execute(f"drop database if exists {DATABASE} with (force)")
        self._admin.execute(f"create database {DATABASE}")
        upgrade(self.dsn, INSTALLATION, PASSWORDS)

    def fill(self, case: Case) -> None:
        """Begin with a database with so many jobs, and say how it goes on."""
        self.fresh()
        began = time.monotonic()
        each = max(1, case.rows // case.buckets)
        values: dict[str, object] = {
            "tenant_ids": [tenant_id(number) for number in range(case.tenants)],
            "tenants": case.tenants,
            "buckets": case.buckets,
            "every": case.every,
            "each": each,
        }
        with self._quick(), psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(SQL.tenants, values)
            connection.execute(SQL.buckets, values)
            at_once = max(1, STEP // each)
            for first in range(1, case.buckets + 1, at_once):
                last = min(case.buckets, first + at_once - 1)
                connection.execute(SQL.fill, values | {"first": first, "last": last})
                if first % (10 * at_once) == 1:
                    done = last * each
                    say(f"{done:,} of {case.name} after {time.monotonic() - began:.0f} s")
            connection.execute("vacuum analyze")
            connection.execute("checkpoint")
        say(f"{case.name}: filled in {time.monotonic() - began:.0f} s")

    def hold(self, every: int) -> None:
        """Hold all buckets but one of so many."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(SQL.hold, {"every": every})
            connection.execute("vacuum analyze queue.buckets")

    @contextmanager
    def _quick(self) -> Iterator[None]:
        """Write less than a server must that may be killed."""
        for name, value in QUICK.items():
            self._admin.execute(f"alter system set {name} = {value}")
        self._admin.execute("select pg_reload_conf()")
        yield
        for name in QUICK:
            self._admin.execute(f"alter system reset {name}")
        self._admin.execute("select pg_reload_conf()")

    def facts(self) -> str:
        """Say which server this is."""
        row = self._admin.execute("select version()").fetchone()
        return str(row[0]).split(" on ")[0] if row else ""

    def close(self) -> None:
        """Disconnect."""
        self._admin.close()


def tenant_id(number: int) -> UUID:
    """Return the id of a tenant: they are spread over all slots."""
    return UUID(int=FIRST_TENANT + (number << 8) + number % 256)


def rows_of(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return connection.execute(query).fetchall()


def say(words: str) -> None:
    """Show progress."""
    print(f"{time.strftime('%H:%M:%S')}  {words}", flush=True)


@contextmanager
def running() -> Iterator[Store]:
    """Start the server in a directory that is removed at the end."""
    postgres = Postgres(DIRECTORY / "postgres")
    postgres.stop()
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    try:
        postgres.start()
        store = Store(postgres)
        yield store
        store.close()
    finally:
        postgres.stop()
        shutil.rmtree(DIRECTORY, ignore_errors=True)
