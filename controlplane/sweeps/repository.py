"""Rows of the sweep: its lease, with a fencing token, and the servers that were listed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


@dataclass(frozen=True)
class AwaitedServer:
    """A server that is ordered, and that the provider has not finished."""

    host: str
    server_name: str
    since: datetime
    until: datetime
    """When it is looked for all the same, whatever listings show."""
    is_finished: bool
    """Whether a listing has shown that it is active, or has failed."""

    def is_waited_for(self, now: datetime) -> bool:
        """Return whether nothing but to wait can be done."""
        return not self.is_finished and now < self.until


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


def listed_of(tenant_id: UUID) -> Reading[TextClause, dict[int, str | None]]:
    """Read the main addresses of a tenant's servers, as `listed`."""
    return Reading(
        SQL.listed_of,
        {"tenant_id": tenant_id},
        lambda rows: {row["service_id"]: row["main_ip"] for row in rows},
    )


@dataclass(frozen=True)
class ShownServer:
    """A server, as it was listed last."""

    trouble: str | None
    """Why it does not run, or may not be changed."""
    addresses: frozenset[str]
    """All, with the main one; none where the provider does not list them."""


def shown_of(tenant_id: UUID) -> Reading[TextClause, dict[int, ShownServer]]:
    """Read a tenant's servers, by service id."""

    def shown(trouble: str | None, addresses: str | None) -> ShownServer:
        return ShownServer(trouble, frozenset(filter(None, (addresses or "").split(","))))

    return Reading(
        SQL.shown_of,
        {"tenant_id": tenant_id},
        lambda rows: {row["service_id"]: shown(row["trouble"], row["addresses"]) for row in rows},
    )


async def save_shown(connection: AsyncConnection, shown: Mapping[int, ShownServer]) -> set[int]:
    """Write servers that are listed; return those that are not as before."""
    values = {
        "service_ids": list(shown),
        "troubles": [each.trouble or "" for each in shown.values()],
        "addresses": [",".join(sorted(each.addresses)) for each in shown.values()],
    }
    return {row.service_id for row in await connection.execute(SQL.save_shown, values)}


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


def awaited(tenant_id: UUID) -> Reading[TextClause, dict[str, AwaitedServer]]:
    """Read the servers that a tenant waits for, by host."""
    return Reading(
        SQL.awaited,
        {"tenant_id": tenant_id},
        lambda rows: {row["host"]: AwaitedServer(**row) for row in rows},
    )


async def await_servers(
    connection: AsyncConnection,
    tenant_id: UUID,
    servers: Mapping[str, str],
    *,
    since: datetime,
    until: datetime,
) -> None:
    """Write which servers a tenant waits for, by host; it waits for no other any more."""
    hosts = {"tenant_id": tenant_id, "hosts": list(servers)}
    await connection.execute(SQL.await_no_others, hosts)
    if servers:
        values = {"server_names": list(servers.values()), "since": since, "until": until}
        await connection.execute(SQL.await_servers, {**hosts, **values})


async def finish(connection: AsyncConnection, shown: Collection[str]) -> set[UUID]:
    """Write of servers that they are finished, of names `shown`; return who has waited for them."""
    names = {name for (name,) in await connection.execute(SQL.all_awaited)} & set(shown)
    if not names:
        return set()
    found = await connection.execute(SQL.finish, {"names": sorted(names)})
    return {row.tenant_id for row in found}


async def claim_question(
    connection: AsyncConnection, *, pause: timedelta, period: timedelta
) -> int | None:
    """Return the server that is to be asked about now, for all processes; None: none is due.

    One question is asked in each `pause`, about a server once in a `period` at most.
    """
    values = {"pause": pause, "period": period}
    found = await connection.execute(SQL.claim_question, values)
    service_id: int | None = found.scalar_one_or_none()
    return service_id


async def save_spam(
    connection: AsyncConnection, service_id: int, spam: Sequence[str] | None
) -> None:
    """Write what is listed as spam of a server; None: it is not known."""
    values = {"service_id": service_id, "spam": None if spam is None else list(spam)}
    await connection.execute(SQL.save_spam, values)


async def known_spam(connection: AsyncConnection) -> dict[int, tuple[str, ...]]:
    """Return what is listed as spam, by service id, of the servers of which that is known."""
    rows = await connection.execute(SQL.known_spam)
    return {row.service_id: tuple(row.spam) for row in rows}
