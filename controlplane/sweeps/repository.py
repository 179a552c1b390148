"""Rows of the sweep: its lease, with a fencing token, and the servers that were listed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.queries import Queries

SQL = Queries(__file__, text)


async def claim(connection: AsyncConnection, *, owner: str, lease: timedelta) -> int | None:
    """Take the right to list the account; None where it is not due, or another process has it."""
    values = {"owner": owner, "lease": lease}
    token: int | None = (await connection.execute(SQL.claim, values)).scalar_one_or_none()
    return token


async def renew(connection: AsyncConnection, token: int, *, lease: timedelta) -> bool:
    """Extend the lease; False when it has ended. Until the commit no other process can take it."""
    values = {"token": token, "lease": lease}
    return (await connection.execute(SQL.renew, values)).rowcount == 1


async def release(
    connection: AsyncConnection, token: int, *, pause: timedelta, is_listed: bool
) -> None:
    """End the lease; the account is due again after a pause."""
    values = {"token": token, "pause": pause, "is_listed": is_listed}
    await connection.execute(SQL.release, values)


async def age(connection: AsyncConnection) -> float | None:
    """Return how many seconds ago the account was listed, None where it never was."""
    seconds: float | None = (await connection.execute(SQL.age)).scalar_one_or_none()
    return seconds


async def listed(connection: AsyncConnection) -> dict[int, str | None]:
    """Return the main addresses of tenants' servers by service id; None: it was not listed."""
    rows = await connection.execute(SQL.listed)
    return {row.service_id: row.main_ip for row in rows}


async def save(
    connection: AsyncConnection, before: Mapping[int, str | None], now: Mapping[int, str | None]
) -> None:
    """Write what has changed between two listings."""
    changed = {id_: ip for id_, ip in now.items() if id_ not in before or before[id_] != ip}
    if changed:
        values = {"service_ids": list(changed), "main_ips": list(changed.values())}
        await connection.execute(SQL.save, values)
    if gone := before.keys() - now.keys():
        await connection.execute(SQL.forget, {"service_ids": list(gone)})
