"""The flag `Drifted`: what others have changed at the providers, in words."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controlplane.conditions.model import (
    DRIFTED,
    FOREIGN_STATE,
    TENANT,
    Conditions,
    Status,
    bad,
    ok,
)
from controlplane.operations.repository import last_end
from controlplane.reconciler.faults import SERVER_NOT_RUNNING
from controlplane.reconciler.ports import Finding, Servers
from controlplane.reconciler.repair import waits_in_words
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.sweeps.repository import ShownServer, listed_of, save_shown, shown_of
from kit.faults import Fault

CHANGED = "ChangedOutside"
TEXT_LIMIT = 1000
NOT_RUNNING = ("suspended", "shut down")
"""Troubles with which a server takes no mail and no run of the playbooks."""
SPREADING = timedelta(minutes=10)
"""How long name servers may show what was there before the last operation."""


def is_foreign(conditions: Conditions) -> bool:
    """Return whether a foreign state was reported, and is not overwritten yet."""
    reported = conditions.get(TENANT, DRIFTED)
    return (
        reported is not None and reported.status is Status.TRUE and reported.reason == FOREIGN_STATE
    )


def report_drift(snapshot: Snapshot, *, now: datetime) -> None:
    """Set the flag by what the phases of a pass have found."""
    if is_foreign(snapshot.conditions):
        return
    words = "; ".join(f"{part}: {found}" for part, found in sorted(snapshot.drift.items()))
    waits = waits_in_words(snapshot, now)
    shown = f"{words[:TEXT_LIMIT]}; {waits}" if waits else words[:TEXT_LIMIT]
    drifted = ok(CHANGED, shown) if words else bad("AsApplied", "")
    snapshot.conditions.set(TENANT, DRIFTED, drifted)


async def note_unlisted(shown: Collection[str], snapshot: Snapshot, session: Session) -> None:
    """Note the servers that the account's listing does not have, and that may not have ended;
    `shown` are the hosts of which the provider says whether they exist."""
    listed = await session.fetch(listed_of(snapshot.tenant.id))
    for host in snapshot.cloud.hosts:
        if host.service_id and host.name not in shown and listed.get(host.service_id, "") is None:
            snapshot.drift[subject(Kind.HOST, host.name)] = (
                f"the account's listing does not have server {host.service_id} any more, and it is "
                "not certain that it has ended; if the portal shows that, run "
                f"`penguin purchases forget {host.server_name}`"
            )


async def stopped_servers(
    gone: Collection[str], provider: Servers, snapshot: Snapshot, session: Session
) -> dict[str, Fault]:
    """Return the servers that do not run, by host; note of all of them what is wrong, and which of
    their addresses they have lost."""
    servers = await session.fetch(shown_of(snapshot.tenant.id))
    stopped = {}
    for host in snapshot.cloud.hosts:
        shown = servers.get(host.service_id or 0)
        if shown is None or host.name in gone:
            continue
        for address in host.addresses[1:]:
            if address.ip and shown.addresses and address.ip not in shown.addresses:
                snapshot.drift[subject(Kind.ADDRESS, address.name)] = (
                    f"server {host.service_id} does not have {address.ip} any more; "
                    "`penguin refresh` asks for another one"
                )
        trouble = await _trouble(host.service_id or 0, shown, provider, session)
        if trouble is None:
            continue
        snapshot.drift[subject(Kind.HOST, host.name)] = f"server {host.service_id} is {trouble}"
        if trouble in NOT_RUNNING and host.primary_ip:
            stopped[host.name] = SERVER_NOT_RUNNING(
                service_id=host.service_id, host=host.name, trouble=trouble
            )
    return stopped


async def _trouble(
    service_id: int, shown: ShownServer, provider: Servers, session: Session
) -> str | None:
    """Return why a server does not run, or may not be changed.

    The provider is asked where a person has asked for the pass: they may have started the server
    after the last listing.
    """
    if shown.trouble not in NOT_RUNNING or not session.was_requested:
        return shown.trouble
    now = await asyncio.to_thread(provider.trouble, service_id)
    if now is None or now == shown.trouble:
        return shown.trouble
    async with session.begin() as connection:
        await save_shown(connection, {service_id: replace(shown, trouble=now or None)})
    return now or None


async def note_records(
    findings: Sequence[Finding],
    reasons: Collection[str],
    manual: Collection[str],
    snapshot: Snapshot,
    session: Session,
) -> None:
    """Note records and reverse names that are not as they were written; `reasons` are those of
    findings that say so, `manual` domains whose records others write."""
    wrong = {
        finding.subject: finding.message
        for finding in reversed(findings)
        if finding.ok is False
        and finding.code is not None
        and finding.code.reason in reasons
        and finding.subject not in manual
    }
    if not wrong:
        return
    written = await session.fetch(last_end(snapshot.tenant.id, "cloud"))
    if written is not None and session.clock() - written >= SPREADING:
        snapshot.drift |= wrong
