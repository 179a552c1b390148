"""What admin remembers: documents by kind and key, in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from kit.queries import Queries

SQL: Queries[str] = Queries(__file__, str)
LOCKED_AFTER = 5.0
"""Seconds that a statement waits for another's transaction; then the answer is 500."""

Document = dict[str, Any]


class Kind(StrEnum):
    """The kinds of objects."""

    DOMAIN = "domain"
    ALTERNATIVE = "alternative"
    USER = "user"
    ALIAS = "alias"
    RELAY = "relay"
    TOKEN = "token"  # noqa: S105 - the name of a kind


class Store:
    """The objects, within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, kind: Kind) -> list[Document]:
        """Return all objects of a kind, the oldest first."""
        rows = self._connection.execute(SQL.of_kind, {"kind": kind}).fetchall()
        return [json.loads(document) for (document,) in rows]

    def find(self, kind: Kind, key: str) -> Document | None:
        """Return an object, if there is one."""
        row = self._connection.execute(SQL.one, {"kind": kind, "key": key}).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def put(self, kind: Kind, key: str, document: Document) -> None:
        """Make an object, or change it."""
        values = {"kind": kind, "key": key, "document": json.dumps(document)}
        self._connection.execute(SQL.put, values)

    def remove(self, kind: Kind, key: str) -> None:
        """Remove an object."""
        self._connection.execute(SQL.remove, {"kind": kind, "key": key})


class Database:
    """The file of the database."""

    def __init__(self, path: Path, locked_after: float = LOCKED_AFTER) -> None:
        self._path = path
        self._locked_after = locked_after
        with self._connected() as connection:
            connection.execute(SQL.create)

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Store]:
        """Yield the objects; what was changed is kept if nothing is raised.

        A writer locks at the start: what it reads is still so when it writes.
        """
        with self._connected() as connection:
            connection.execute("begin immediate" if writes else "begin")
            yield Store(connection)
            connection.execute("commit")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that commits nothing by itself; closing it rolls back."""
        opened = sqlite3.connect(self._path, timeout=self._locked_after, isolation_level=None)
        with closing(opened) as connection:
            yield connection


def kept_integer(number: int) -> int:
    """Return what a column of 64 bits holds; a greater number raises OverflowError."""
    if not -(2**63) <= number < 2**63:
        raise OverflowError(f"{number} does not fit into 64 bits")
    return number


def kept_list(items: list[str]) -> list[str]:
    """Return a list as it is kept: sorted, equal items once. A comma raises ValueError."""
    if any("," in item for item in items):
        raise ValueError("an item has a comma")
    return sorted(set(items))
