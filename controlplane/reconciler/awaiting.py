"""New servers that the provider creates: each is waited for as a row, and no engine runs meanwhile.

The engine ends as soon as an order is accepted. The sweep sees in its listing which servers are
finished, and wakes their tenants.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.document import Blueprint, Host
from controlplane.conditions.model import Verdict, bad
from controlplane.reconciler.ports import CloudState, ObservedHost
from controlplane.reconciler.snapshot import Snapshot
from controlplane.sweeps import repository as rows
from controlplane.sweeps.repository import AwaitedServer

PROVISIONING = timedelta(minutes=30)
"""How long a server may take from its order until it is active."""

Awaited = Mapping[str, AwaitedServer]
"""By the name of the host."""


def being_created(blueprint: Blueprint, state: CloudState) -> dict[str, str]:
    """Return the server names of hosts that are ordered and have no address yet, by host."""
    return {
        host.name: host.server_name
        for host in blueprint.hosts
        if host.primary.name in state.pending
    }


def awaited_until(
    blueprint: Blueprint, state: CloudState, awaited: Awaited, now: datetime
) -> datetime | None:
    """Return until when to wait, where all that a state lacks comes with servers that are still
    being created."""
    waiting = {
        address.name: row.until
        for host in blueprint.hosts
        if (row := awaited.get(host.name)) is not None
        and row.server_name == host.server_name
        and row.is_waited_for(now)
        for address in host.addresses
    }
    if state.held or not state.pending or not waiting.keys() >= set(state.pending):
        return None
    return min(waiting[name] for name in state.pending)


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
