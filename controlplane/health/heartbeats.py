"""The rows in which parts say, on whatever machine they run, that they get on with their work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch_all
from kit.queries import Queries

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class Heartbeat:
    """The last sign of one process."""

    part: str
    instance: str
    """Host and state directory: a restarted part goes on with its row."""
    process: int
    silent: float
    """Seconds since it was written."""
    idle: float
    """Seconds since the slowest of its loops last did work or looked for some."""
    trouble: str
    """What it lacks, in its own words; empty when nothing."""


async def write(connection: AsyncConnection, heartbeat: Heartbeat) -> None:
    """Write a sign of life by the database's clock."""
    await connection.execute(SQL.write, vars(heartbeat))


async def read(connection: AsyncConnection) -> Sequence[Heartbeat]:
    """Return the signs of the last hour; a machine that is silent for longer is forgotten."""
    return await fetch_all(connection, SQL.read, Heartbeat)


async def forget(connection: AsyncConnection, part: str, instance: str) -> None:
    """Remove the row of a part that ended on purpose."""
    await connection.execute(SQL.forget, {"part": part, "instance": instance})
