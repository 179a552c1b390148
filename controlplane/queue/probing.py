"""What is wrong with the queue, for `/health/queue`: cheap, whatever waits."""

from __future__ import annotations

from sqlalchemy import text

from controlplane.database import OPERATOR, Database, driver_of
from kit.queries import Queries
from sender.queue import operations

SQL = Queries(__file__, text)
OVERDUE_SECONDS = 60.0
"""Senders look for mail whose time has come several times a second."""


async def problems(database: Database) -> list[str]:
    """Return what is wrong with the queue; nothing where it works."""
    async with database.begin(OPERATOR) as connection:
        if await connection.scalar(SQL.is_read_only):
            return ["PostgreSQL is read-only"]
        return _problems(await operations.health(await driver_of(connection)))


def _problems(health: operations.Health) -> list[str]:
    found = []
    if health.is_restored:
        found.append("database_restored: nothing is sent before `penguin queue recover`")
    elif not health.workers:
        found.append("no sender works on the queue")
    elif (health.overdue_seconds or 0) > OVERDUE_SECONDS:
        found.append(f"mail that is due has not been looked at for {health.overdue_seconds:.0f} s")
    elif health.lagging_buckets:
        minutes = (health.oldest_seconds or 0) / 60
        found.append(
            f"mail of {health.lagging_buckets} buckets is late, by up to {minutes:.0f} minutes: "
            "see `penguin top`"
        )
    if health.overdue_unknown:
        found.append(
            f"{health.overdue_unknown} mails have been of unknown outcome for more than an hour: "
            "see `penguin mailq unknown`"
        )
    return found
