"""The rows in which parts say, on whatever machine they run, that they get on with their work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

WRITE = text(
    "insert into oltp.heartbeats (part, instance, process, at, progressed_at, trouble) "
    "values (:part, :instance, :process, now(), now() - make_interval(secs => :idle), :trouble) "
    "on conflict (part, instance) do update set process = excluded.process, at = excluded.at, "
    "progressed_at = excluded.progressed_at, trouble = excluded.trouble"
)
READ = text(
    "select part, instance, process, extract(epoch from now() - at)::float8 as silent, "
    "extract(epoch from now() - progressed_at)::float8 as idle, trouble "
    "from oltp.heartbeats where at > now() - interval '1 hour' order by part, instance"
)
FORGET = text("delete from oltp.heartbeats where part = :part and instance = :instance")


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
    await connection.execute(WRITE, asdict(heartbeat))


async def read(connection: AsyncConnection) -> Sequence[Heartbeat]:
    """Return the signs of the last hour; a machine that is silent for longer is forgotten."""
    return [Heartbeat(**row) for row in (await connection.execute(READ)).mappings()]


async def forget(connection: AsyncConnection, part: str, instance: str) -> None:
    """Remove the row of a part that ended on purpose."""
    await connection.execute(FORGET, {"part": part, "instance": instance})
