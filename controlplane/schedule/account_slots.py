"""Slots of a provider's account, as rows that all processes share; also whether it is refused.

Each has the token of the pass that holds it, and ends as its lease does. Time is the database's.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.queries import Queries

SQL = Queries(__file__, text)


async def take(
    connection: AsyncConnection, pool: str, token: int, *, limit: int, lease: timedelta
) -> bool:
    """Take a slot for the pass of a lease; False when `limit` are taken."""
    values = {"pool": pool, "token": token, "limit": limit, "lease": lease}
    await connection.execute(SQL.add_account_slots, {"pool": pool, "limit": limit})
    return (await connection.execute(SQL.take_account_slot, values)).rowcount == 1


async def renew(connection: AsyncConnection, token: int, *, lease: timedelta) -> None:
    """Extend the slot of a lease, if it has one."""
    await connection.execute(SQL.renew_account_slot, {"token": token, "lease": lease})


async def free(connection: AsyncConnection, token: int) -> None:
    """Give back the slot of a lease."""
    await connection.execute(SQL.free_account_slot, {"token": token})


async def is_free(connection: AsyncConnection, pool: str, *, limit: int) -> bool:
    """Return whether an operation would get a slot now."""
    values = {"pool": pool, "limit": limit}
    return bool((await connection.execute(SQL.has_free_account_slot, values)).scalar_one())


async def trouble(connection: AsyncConnection, pool: str) -> str | None:
    """Return why the account is refused; None where it is not."""
    message: str | None = (
        await connection.execute(SQL.account_trouble, {"pool": pool})
    ).scalar_one_or_none()
    return message


async def may_try(connection: AsyncConnection, pool: str, *, pause: timedelta) -> bool:
    """Return whether this pass is the one that tries an account which is refused."""
    values = {"pool": pool, "pause": pause}
    return (await connection.execute(SQL.try_account, values)).rowcount == 1


async def close(connection: AsyncConnection, pool: str, message: str, *, pause: timedelta) -> None:
    """Write that an account is refused; it is tried again after a pause."""
    values = {"pool": pool, "message": message, "pause": pause}
    await connection.execute(SQL.close_account, values)


async def open_again(connection: AsyncConnection, pool: str) -> bool:
    """Write that an account is not refused; return whether it was."""
    return (await connection.execute(SQL.open_account, {"pool": pool})).rowcount == 1
