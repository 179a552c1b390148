"""What is repaired by itself that others have changed, and when: the document's policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from blueprint.hours import Hours
from blueprint.tenant import Repair
from controlplane.reconciler.ports import Server
from controlplane.reconciler.snapshot import Snapshot


def repair_begins(snapshot: Snapshot, now: datetime) -> datetime | None:
    """Return from when on it is repaired, `now` where that is so already; None: never."""
    spec = snapshot.tenant.document.spec
    return None if spec.repair is Repair.NEVER else Hours.of(spec.maintenance).opens(now)


def waits_in_words(snapshot: Snapshot, now: datetime) -> str:
    """Return what a repair waits for; empty: it does not."""
    begins = repair_begins(snapshot, now)
    if begins is None:
        return "not repaired before `penguin refresh`: the document says `repair: never`"
    if begins > now:
        return f"repaired from {begins.astimezone(UTC):%Y-%m-%d %H:%M} UTC on"
    return ""


def gone_of(servers: Mapping[str, Server]) -> dict[str, Server]:
    """Return the servers that do not exist any more."""
    return {name: server for name, server in servers.items() if not server.exists}


def bought_again(gone: Mapping[str, Server], snapshot: Snapshot) -> list[int]:
    """Return the servers that have ended, and that a person or the policy lets be bought again.

    The policy does not for one that has ended within a day of its order: it would be bought again
    and again.
    """
    by_policy = snapshot.is_repaired and snapshot.tenant.document.spec.repair is Repair.ALL
    retired = {host.name for host in snapshot.blueprint.hosts if host.is_retired}
    wanted = {host.name for host in snapshot.blueprint.hosts} - retired
    return [
        host.service_id
        for host in snapshot.cloud.hosts
        if host.service_id is not None
        and host.name in wanted
        and (server := gone.get(host.name)) is not None
        and not server.is_forgotten
        and (
            host.service_id in snapshot.tenant.bought_again or (by_policy and not server.is_recent)
        )
    ]
