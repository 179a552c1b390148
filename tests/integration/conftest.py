"""Real servers for the tests of this folder: started once a run, a fresh database for each test."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql

from kit.paths import state_dir
from tools.servers import Postgres, Valkey


def _clear_killed_runs(root: Path) -> None:
    """Stop and remove the servers of test runs that did not live to do it."""
    for left in root.iterdir() if root.exists() else ():
        if not Path(f"/proc/{left.name}").exists():
            Postgres(left / "postgres").stop()
            Valkey(left / "valkey").stop()
            shutil.rmtree(left, ignore_errors=True)  # another run may be doing the same


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    """A directory of this run's servers, which their users can reach."""
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
