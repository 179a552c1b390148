"""The servers of a run, and an empty or filled store of its own for each measurement."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import redis

from kit.paths import state_dir
from kit.waiting import wait_until
from tools.servers import Postgres, Valkey

RUN = "run"
"""The database in which something is measured: a copy, removed before the next."""
Step = Callable[..., Any]
"""Runs a step of one queue: its name, and its values."""


@dataclass(frozen=True)
class Costs:
    """What a drain did to the database."""

    wal: float
    """Octets."""
    versions: float
    """Row versions that became dead."""


class Stores:
    """The same PostgreSQL and Valkey for all."""

    def __init__(self, postgres: Postgres, valkey: Valkey) -> None:
        self._postgres = postgres
        self._valkey = valkey
        self._admin = psycopg.connect(postgres.dsn(), autocommit=True)
        self._redis = redis.Redis.from_url(valkey.url())
        self._made: set[str] = set()

    @property
    def redis_url(self) -> str:
        """Return the URL of Valkey."""
        return self._valkey.url()

    def url(self, database: str) -> str:
        """Return a database's URL."""
        return self._postgres.dsn(database)

    def facts(self) -> str:
        """Say which servers these are, and what they promise."""
        shown = [self._value(f"show {name}") for name in ("fsync", "synchronous_commit")]
        info: Any = self._redis.info("server")
        synchronised: Any = self._redis.config_get("appendfsync")
        return (
            f"PostgreSQL {self._value('show server_version')} (fsync {shown[0]}, "
            f"synchronous_commit {shown[1]}), Valkey {info.get('valkey_version')} "
            f"(append-only file, appendfsync {synchronised['appendfsync']})"
        )

    def filled(self, name: str, step: Step, layout: str, count: int, *, in_redis: bool) -> str:
        """Return the URL of a store with the queue's tables and so many jobs."""
        if in_redis:
            self._redis.flushall()
            url = self.redis_url
            if count:
                step("fill", url=url, layout=layout, count=count)
            return url
        template = self._template(name, step, layout)
        if count:
            template = self._with_jobs(template, step, layout, count)
        self._admin.execute(f"drop database if exists {RUN} with (force)")
        # No checkpoint follows soon, and a copied page is whole in the WAL already.
        self._admin.execute("checkpoint")
        self._copy(template, RUN)
        return self.url(RUN)

    @contextmanager
    def costs(self, found: list[Costs]) -> Iterator[None]:
        """Append what PostgreSQL did meanwhile."""
        before = self._value("select pg_current_wal_lsn()::text")
        yield
        self.settled()  # each session adds its counts at its end
        wal = self._value("select pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", before)
        query = "select sum(n_tup_upd + n_tup_del) from pg_stat_user_tables"
        with psycopg.connect(self.url(RUN)) as connection:
            row = connection.execute(query).fetchone()
        found.append(Costs(float(wal), float(row[0] or 0) if row else 0.0))

    def settled(self) -> None:
        """Wait until the sessions of a process that ended are gone."""
        query = "select count(*) from pg_stat_activity where datname = %s"
        wait_until(lambda: self._value(query, RUN) == 0, seconds=10)

    def close(self) -> None:
        """Disconnect."""
        self._admin.close()
        self._redis.close()

    def _template(self, name: str, step: Step, layout: str) -> str:
        template = f"{name}_{layout}" if layout else name
        if template not in self._made:
            self._admin.execute(f"create database {template}")
            step("prepare", url=self.url(template), layout=layout)
            self._made.add(template)
        return template

    def _with_jobs(self, empty: str, step: Step, layout: str, count: int) -> str:
        template = f"{empty}_{count}"
        if template not in self._made:
            self._copy(empty, template)
            step("fill", url=self.url(template), layout=layout, count=count)
            with psycopg.connect(self.url(template), autocommit=True) as connection:
                connection.execute("vacuum analyze")
            self._made.add(template)
        return template

    def _copy(self, template: str, name: str) -> None:
        self._admin.execute(f"create database {name} template {template}")

    def _value(self, query: str, *values: str) -> Any:
        row = self._admin.execute(query, values).fetchone()
        assert row is not None
        return row[0]


@contextmanager
def running() -> Iterator[Stores]:
    """Start both servers in a directory that is removed at the end."""
    directory = state_dir() / "bench-queue"
    postgres, valkey = Postgres(directory / "postgres"), Valkey(directory / "valkey")
    for server in (postgres, valkey):
        server.stop()
    shutil.rmtree(directory, ignore_errors=True)
    try:
        postgres.start()
        valkey.start()
        stores = Stores(postgres, valkey)
        yield stores
        stores.close()
    finally:
        for server in (postgres, valkey):
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)
