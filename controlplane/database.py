"""Connections to PostgreSQL: one login per role, tenant scope set for every transaction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from pydantic import SecretStr
from sqlalchemy import TextClause, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kit.database import Role, connection_options, role_name
from kit.queries import Queries
from kit.readings import Key, Reading, Rows

SQL = Queries(__file__, text)
Row = TypeVar("Row")
Result = TypeVar("Result")
Driver = psycopg.AsyncConnection[Any]
VALUE = re.compile(r"(?<![:\w]):(\w+)\b")
"""Where a query has a value; casts have two colons."""

API, OPERATOR, CONTROLLER = Role.API, Role.OPERATOR, Role.CONTROLLER


async def fetch_all(
    connection: AsyncConnection, query: TextClause, row: Callable[..., Row], **values: Any
) -> list[Row]:
    """Return the rows of a query, each converted by `row`."""
    result = await connection.execute(query, values)
    return [row(**columns) for columns in result.mappings()]


async def fetch_one(
    connection: AsyncConnection, query: TextClause, row: Callable[..., Row], **values: Any
) -> Row | None:
    """Return the only row of a query, None when there is none."""
    columns = (await connection.execute(query, values)).mappings().one_or_none()
    return None if columns is None else row(**columns)


async def fetch(connection: AsyncConnection, reading: Reading[TextClause, Result]) -> Result:
    """Run a read by itself."""
    return reading.result(await _rows(connection, reading))


@dataclass(frozen=True)
class Together:
    """What several reads have returned."""

    rows: Mapping[Key, Rows]
    """By key; nothing where the digest is the one that was known."""
    digest: bytes | None
    """Equal for equal reads with equal rows; None where a read ran by itself."""


async def fetch_together(
    connection: AsyncConnection,
    readings: Sequence[Reading[TextClause, Any]],
    *,
    known: bytes | None = None,
) -> Together:
    """Run several reads in one statement.

    The database sends their rows without names: a query that is new to this process runs by itself.
    Where the digest is `known`, rows do not become objects of Python, which takes most of the time.
    """
    different = {reading.key: reading for reading in readings}
    found: dict[Key, Rows] = {}
    together = [reading for reading in different.values() if reading.query.text in _columns]
    for key in different.keys() - {reading.key for reading in together}:
        found[key] = await _rows(connection, different[key])
    digest = None
    if together:
        query, places = _together(tuple(one.query.text for one in together))
        values = [together[number].values[name] for number, name in places]
        cursor = psycopg.AsyncRawCursor(await _open_driver(connection))
        # The values of a row have types in the binary format only.
        await cursor.execute(query, values, binary=True)
        digest = _digest(cursor, together) if not found else None
        if digest is not None and digest == known:
            return Together({}, digest)
        [every] = await cursor.fetchall()
        for reading, rows in zip(together, every, strict=True):
            names = _columns[reading.query.text]
            found[reading.key] = [dict(zip(names, row, strict=True)) for row in rows or ()]
    return Together(found, digest)


def _digest(
    cursor: psycopg.AsyncRawCursor[Any], readings: Sequence[Reading[TextClause, Any]]
) -> bytes | None:
    """Return the digest of what the database has sent for these reads."""
    if (result := cursor.pgresult) is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for number, reading in enumerate(readings):
        content = result.get_value(0, number) or b""
        digest.update(f"{hash(reading.key)} {len(content)} ".encode())
        digest.update(content)
    return digest.digest()


async def _rows(connection: AsyncConnection, reading: Reading[TextClause, Any]) -> Rows:
    result = await connection.execute(reading.query, reading.values)
    _columns[reading.query.text] = tuple(result.keys())
    return [dict(row) for row in result.mappings()]


_columns: dict[str, tuple[str, ...]] = {}
"""The names of the columns of queries that have run."""


@cache
def _together(queries: tuple[str, ...]) -> tuple[bytes, Sequence[tuple[int, str]]]:
    """Return one statement for several queries, and its values: number of the query, and name."""
    places: dict[tuple[int, str], str] = {}
    columns = []
    for number, query in enumerate(queries):

        def place(found: re.Match[str], number: int = number) -> str:
            return places.setdefault((number, found[1]), f"${len(places) + 1}")

        own = VALUE.sub(place, query)
        columns.append(f"(select array_agg(one) from ({own}) as one)")  # noqa: S608 - our own queries
    return f"select {', '.join(columns)}".encode(), tuple(places)


async def execute_each(
    connection: AsyncConnection, query: TextClause, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Run a statement for each of the rows, in few round trips."""
    if parameters := list(rows):
        await connection.execute(query, parameters)


async def driver_of(connection: AsyncConnection) -> Driver:
    """Return the driver's connection, within the transaction of a connection.

    A transaction is begun if none is: else the driver's own blocks would commit at their end.
    """
    await connection.execute(SQL.begin)
    return await _open_driver(connection)


async def _open_driver(connection: AsyncConnection) -> Driver:
    """Return the driver's connection, in whose transaction something was executed."""
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection  # psycopg's, by the URL of the engine
    assert isinstance(driver, psycopg.AsyncConnection)  # noqa: S101 - says so to the type checker
    return driver


async def cursor_of(connection: AsyncConnection) -> psycopg.AsyncCursor[Any]:
    """Return a cursor of the driver, within the transaction of a connection."""
    return (await driver_of(connection)).cursor()


def role_engine(dsn: str, login: str, password: SecretStr, *, pool_size: int = 5) -> AsyncEngine:
    """Return the pool of one login; connections are opened on demand."""
    url = make_url(dsn).set(
        drivername="postgresql+psycopg", username=login, password=password.get_secret_value()
    )
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=2,
        pool_pre_ping=True,
        hide_parameters=True,  # they contain documents and sealed secrets, and errors are logged
        connect_args=connection_options(login),
    )


class Database:
    """The pools of the roles that one process uses."""

    def __init__(self, engines: Mapping[Role, AsyncEngine]) -> None:
        self._engines = dict(engines)

    @classmethod
    def connect(
        cls,
        dsn: str,
        installation: str,
        passwords: Mapping[Role, SecretStr],
        *,
        pool_size: int = 5,
    ) -> Database:
        """Prepare a pool for every role of `passwords`."""
        return cls(
            {
                role: role_engine(dsn, role_name(installation, role), password, pool_size=pool_size)
                for role, password in passwords.items()
            }
        )

    @asynccontextmanager
    async def begin(
        self, role: Role, *, tenant_id: UUID | None = None
    ) -> AsyncIterator[AsyncConnection]:
        """Open one transaction of a role, limited to a tenant if one is given."""
        async with self._engines[role].begin() as connection:
            if tenant_id is not None:
                await connection.execute(SQL.set_tenant, {"id": str(tenant_id)})
            yield connection

    async def check(self) -> None:
        """Fail when the database does not answer, or has no schema."""
        async with self.begin(API) as connection:
            await connection.execute(SQL.check)

    async def close(self) -> None:
        """Close all connections."""
        for engine in self._engines.values():
            await engine.dispose()
