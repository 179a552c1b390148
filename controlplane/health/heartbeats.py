"""Heartbeats of parts on all machines, with the progress of their loops."""

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
    """The last heartbeat of a process."""

    part: str
    instance: str
    """Host and state directory: a restarted part keeps its row."""
    process: int
    silent: float
    """Seconds since it was written."""
    idle: float
    """Seconds since the slowest of its loops last began an iteration."""
    trouble: str
    """A problem that the part reports; empty when there is none."""


async def write(connection: AsyncConnection, heartbeat: Heartbeat) -> None:
    """Write a heartbeat, by the database's clock."""
    await connection.execute(SQL.write, vars(heartbeat))


async def read(connection: AsyncConnection) -> Sequence[Heartbeat]:
    """Return the heartbeats of the last hour."""
    return await fetch_all(connection, SQL.read, Heartbeat)


async def delete(connection: AsyncConnection, part: str, instance: str) -> None:
    """Delete the heartbeat of a part that was stopped."""
    await connection.execute(SQL.delete, {"part": part, "instance": instance})
