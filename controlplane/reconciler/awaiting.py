"""New servers that the provider creates: each is waited for as a row, and no engine runs meanwhile.

The engine ends as soon as an order is accepted. The sweep sees in its listing which servers are
finished, or have a further address, and wakes their tenants.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.document import Blueprint, Host
from controlplane.conditions.model import Verdict, bad
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.ports import CloudState, ObservedHost
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.sweeps import repository as rows
from controlplane.sweeps.repository import AwaitedServer

PROVISIONING = timedelta(minutes=30)
"""How long a server may take from its order until it is active."""
PORTAL_INTERVAL = timedelta(minutes=30)
"""How often the engine looks for an address that a person has to buy, if no listing shows one."""

Awaited = Mapping[str, AwaitedServer]
"""By the name of the host."""


def being_created(blueprint: Blueprint, state: CloudState) -> dict[str, str]:
    """Return the server names of hosts that are ordered and have no address yet, by host."""
    return {
        host.name: host.server_name
        for host in blueprint.hosts
        if host.primary.name in state.pending
    }


def servers_awaited(blueprint: Blueprint, awaited: Awaited, now: datetime) -> dict[str, datetime]:
    """Return the addresses that come with servers which are still being created, and until when
    they are waited for."""
    return {
        address.name: row.until
        for host in blueprint.hosts
        if (row := awaited.get(host.name)) is not None
        and row.server_name == host.server_name
        and row.is_waited_for(now)
        for address in host.addresses
    }


async def awaited_until(
    servers: Mapping[str, datetime], snapshot: Snapshot, session: Session, phase: str
) -> datetime | None:
    """Return until when all that is missing is waited for; None where an engine has work.

    `servers` are the addresses of servers that are being created. Others are bought by a person:
    for those the engine looks from time to time, and when it is asked for or a listing shows one.
    """
    state = snapshot.cloud
    if state.held or not state.pending:
        return None
    others = set(state.pending) - servers.keys()
    times = [servers[name] for name in state.pending if name in servers]
    if others:
        if session.was_woken or others & {host.primary.name for host in snapshot.blueprint.hosts}:
            return None
        ended = await session.fetch(operation_rows.last_end(snapshot.tenant.id, phase))
        if ended is None or session.clock() - ended >= PORTAL_INTERVAL:
            return None
        times.append(ended + PORTAL_INTERVAL)
    return min(times)


def verdict_of(
    row: AwaitedServer | None, host: Host, observed: ObservedHost | None
) -> Verdict | None:
    """Return that a host, or its first address, waits for the provider; None where it does not."""
    if row is None or row.server_name != host.server_name:
        return None
    if observed and observed.server_name == row.server_name and observed.primary_ip:
        return None
    return bad(
        "WaitingForProvider",
        f"Hostwinds creates {row.server_name}, ordered at {row.since:%H:%M} UTC; the account is "
        f"listed once a minute to see whether it is active, until {row.until:%H:%M} UTC",
    )


async def note(
    connection: AsyncConnection,
    snapshot: Snapshot,
    known: Awaited,
    *,
    now: datetime,
    provisioning: timedelta,
) -> None:
    """Write which servers are waited for after a run of the engine."""
    created = being_created(snapshot.blueprint, snapshot.cloud)
    if created or known:
        await rows.await_servers(
            connection, snapshot.tenant.id, created, since=now, until=now + provisioning
        )
