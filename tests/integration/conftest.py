"""Real servers for the tests of this folder, started once a run, and their databases."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from psycopg import sql

from controlplane.migrations import upgrade
from controlplane.reconciler.phases import keys
from kit.paths import state_dir
from tests.support.emulator import Emulator, served
from tests.support.image_registry import ImageRegistry, running_registry
from tests.support.installation import INSTALLATION, PASSWORDS
from tests.support.waiting import wait_for
from tools.servers import Postgres, Valkey

LAST_START = timedelta(minutes=59, seconds=40)
"""In an hour."""
RSA_KEYS = 8
"""More than the domains of a tenant of these tests."""
END_OTHER_SESSIONS = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
"""
EMPTY = """
do $$
declare relation record;
begin
  for relation in
    select schemaname, tablename from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') and tablename !~ '^alembic'
      and (schemaname, tablename) <> ('purchase', 'limiter')  -- has the rows that it is made with
  loop
    execute format('delete from %I.%I', relation.schemaname, relation.tablename);
  end loop;
  perform setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
  from pg_sequences;
  -- A server adds up what a session has counted some seconds later, in the middle of a test.
  perform pg_stat_force_next_flush();
end $$
"""


def _clear_killed_runs(root: Path) -> None:
    """Stop and remove the servers of test runs that were killed."""
    for abandoned in root.iterdir() if root.exists() else ():
        if not Path(f"/proc/{abandoned.name}").exists():
            for directory in (abandoned, *filter(Path.is_dir, abandoned.iterdir())):
                Postgres(directory / "postgres").stop()
                Valkey(directory / "valkey").stop()
            shutil.rmtree(abandoned, ignore_errors=True)  # another run may be doing the same


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    """A directory for this run's servers that their operating-system users can access."""
    root = state_dir() / "test-servers"
    _clear_killed_runs(root)
    directory = root / str(os.getpid())
    directory.mkdir(parents=True)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres_server(servers_dir: Path) -> Iterator[Postgres]:
    """A PostgreSQL server without durability."""
    server = Postgres(servers_dir / "postgres", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey_server(servers_dir: Path) -> Iterator[Valkey]:
    """A Valkey server without durability."""
    server = Valkey(servers_dir / "valkey", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database(postgres_server: Postgres) -> Iterator[str]:
    """The superuser's URL of a database that exists for this test only."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def shared_database(postgres_server: Postgres) -> Iterator[str]:
    """The superuser's URL of the database that tests with `upgraded` use in turn."""
    with fresh_database(postgres_server) as url:
        upgrade(url, INSTALLATION, PASSWORDS)
        yield url


class Emptying:
    """A session that empties a database; one that a test has ended is opened again.

    A session that knows the tables empties them in a fifth of the time that a new one takes.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session = self._connected()

    def _connected(self) -> psycopg.Connection[Any]:
        session = psycopg.connect(self._dsn, autocommit=True)
        session.execute("set session_replication_role = replica")  # no trigger, no foreign key
        return session

    def empty(self) -> None:
        """End the sessions of others and delete all rows."""
        try:
            self._session.execute(END_OTHER_SESSIONS)
        except psycopg.OperationalError:
            self.close()
            self._session = self._connected()
            self._session.execute(END_OTHER_SESSIONS)
        self._session.execute(EMPTY)

    def close(self) -> None:
        """End the session."""
        self._session.close()


@pytest.fixture(scope="session")
def emptying(shared_database: str) -> Iterator[Emptying]:
    """The session that empties the database of tests with `upgraded`."""
    with closing(Emptying(shared_database)) as emptying:
        yield emptying


@pytest.fixture
def upgraded(shared_database: str, emptying: Emptying) -> str:
    """The superuser's URL of a database with all schemas and no rows; tests do not change schemas.

    Emptying a database takes a thirtieth of the time that creating and upgrading one takes.
    """
    emptying.empty()
    return shared_database


@contextmanager
def fresh_database(postgres_server: Postgres) -> Iterator[str]:
    """Yield the superuser's URL of a new database, which is dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    yield postgres_server.dsn(name)
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def valkey(valkey_server: Valkey) -> str:
    """The URL of an empty Valkey."""
    with redis.Redis.from_url(valkey_server.url()) as client:
        client.flushall()
    return valkey_server.url()


@pytest.fixture(scope="session")
def image_registry_server(servers_dir: Path) -> Iterator[ImageRegistry]:
    """A container registry that has the images of two versions of Mailu."""
    with running_registry(servers_dir / "images") as running:
        yield running


@pytest.fixture
def image_registry(image_registry_server: ImageRegistry) -> Iterator[ImageRegistry]:
    """The registry, in order."""
    yield image_registry_server
    image_registry_server.server.clear()


@pytest.fixture(autouse=True)
def within_an_hour() -> None:
    """Begin no test in the last seconds of an hour: caps and partitions are of hours and days."""

    def lasts() -> bool:
        now = datetime.now(UTC)
        return timedelta(minutes=now.minute, seconds=now.second) < LAST_START

    wait_for(lasts)


@pytest.fixture(scope="session", autouse=True)
def made_rsa_keys() -> Iterator[None]:
    """Let domains of all tests have a few keys in turn: to make one takes a tenth of a second."""
    made: list[RSAPrivateKey] = []
    make, number = keys._rsa_key, count()

    def made_key() -> RSAPrivateKey:
        if len(made) < RSA_KEYS:
            made.append(make())
            return made[-1]
        return made[next(number) % RSA_KEYS]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_rsa_key", made_key)
        yield


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """The server of a provider's emulator; tests set its application."""
    with served() as emulator:
        yield emulator
