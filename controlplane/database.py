"""Connections to PostgreSQL: one login per role, tenant scope set for every transaction."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from pydantic import SecretStr
from sqlalchemy import TextClause, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from controlplane.clock import DatabaseClock
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
    """By key."""
    digest: bytes | None
    """Equal for equal reads with equal rows; None where a read ran by itself."""


async def fetch_together(
    connection: AsyncConnection, readings: Sequence[Reading[TextClause, Any]]
) -> Together:
    """Run several reads in one statement.

    The database sends their rows without names: a query that is new to this process runs by itself.
    """
    different = _different(readings)
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
        digest = _digest(cursor, 0, len(together)) if not found else None
        [every] = await cursor.fetchall()
        for reading, rows in zip(together, every, strict=True):
            names = _columns[reading.query.text]
            found[reading.key] = [dict(zip(names, row, strict=True)) for row in rows or ()]
    return Together(found, digest)


async def fetch_digests(
    connection: AsyncConnection,
    readings: Sequence[Reading[TextClause, Any]],
    of: UUID,
    tenants: Sequence[UUID],
) -> list[bytes | None]:
    """Return the digest of `fetch_together` for each tenant; these reads are those `of` one.

    Rows become no objects of Python, which takes most of the time of reading them.
    """
    every = list(_different(readings).values())
    own = {
        (number, name): expression
        for number, reading in enumerate(every)
        for name, value in reading.values.items()
        for same, expression in ((of, "resting.id"), ([of], "array[resting.id]"))
        if value == same
    }
    query, places = _together(tuple(one.query.text for one in every), frozenset(own.items()))
    values = [every[number].values[name] for number, name in places]
    cursor = psycopg.AsyncRawCursor(await _open_driver(connection))
    await cursor.execute(query, [*values, list(tenants)], binary=True)
    return [_digest(cursor, row, len(every)) for row in range(len(tenants))]


def _different(
    readings: Sequence[Reading[TextClause, Any]],
) -> Mapping[Key, Reading[TextClause, Any]]:
    return {reading.key: reading for reading in readings}


def _digest(cursor: psycopg.AsyncRawCursor[Any], row: int, columns: int) -> bytes | None:
    """Return the digest of what the database has sent in a row."""
    if (result := cursor.pgresult) is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for column in range(columns):
        content = result.get_value(row, column) or b""
        digest.update(len(content).to_bytes(8))
        digest.update(content)
    return digest.digest()


async def _rows(connection: AsyncConnection, reading: Reading[TextClause, Any]) -> Rows:
    result = await connection.execute(reading.query, reading.values)
    _columns[reading.query.text] = tuple(result.keys())
    return [dict(row) for row in result.mappings()]


_columns: dict[str, tuple[str, ...]] = {}
"""The names of the columns of queries that have run."""


Place = tuple[int, str]
"""A value of one of several queries: number of the query, and name."""


@cache
def _together(
    queries: tuple[str, ...], own: frozenset[tuple[Place, str]] = frozenset()
) -> tuple[bytes, Sequence[Place]]:
    """Return one statement for several queries, and the places of its values.

    With `own`, what is in place of values that tenants have of their own, its last value is a list
    of tenants: each has a row.
    """
    places: dict[Place, str] = {}
    expressions = dict(own)
    columns = []
    for number, query in enumerate(queries):

        def place(found: re.Match[str], number: int = number) -> str:
            of = number, found[1]
            return expressions.get(of) or places.setdefault(of, f"${len(places) + 1}")

        inner = VALUE.sub(place, query)
        columns.append(f"(select array_agg(one) from ({inner}) as one)")  # noqa: S608 - our own queries
    every = (
        f" from unnest(${len(places) + 1}::uuid[]) with ordinality as resting (id, number)"
        " order by number"
    )
    return f"select {', '.join(columns)}{every if own else ''}".encode(), tuple(places)


async def time_of(connection: AsyncConnection) -> datetime:
    """Return the time of the database."""
    time: datetime = (await connection.execute(SQL.time)).scalar_one()
    return time


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
        use_native_hstore=False,  # no column has that type; each pool would look for it
        hide_parameters=True,  # they contain documents and sealed secrets, and errors are logged
        connect_args=connection_options(login),
    )


class Database:
    """The pools of the roles that one process uses."""

    def __init__(self, engines: Mapping[Role, AsyncEngine]) -> None:
        self._engines = dict(engines)
        self.clock = DatabaseClock()
        """That of this machine, unless it is kept."""

    def keep_time(self) -> DatabaseClock:
        """Return the database's clock, which transactions measure from now on."""
        self.clock.is_kept = True
        return self.clock

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
            if (began := self.clock.begin()) is not None:
                self.clock.end(began, await time_of(connection))
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
