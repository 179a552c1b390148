"""The flag `SpamListed`: what the provider lists of a tenant's mail as spam.

What such an entry means is not documented, so an operator decides, and nothing is stopped.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from controlplane.conditions.model import SPAM_LISTED, TENANT, ask_of, bad, ok
from controlplane.reconciler import faults
from controlplane.reconciler.ports import Server
from controlplane.reconciler.snapshot import Snapshot

log = structlog.get_logger()
TEXT_LIMIT = 300


def report_spam(servers: Mapping[str, Server], snapshot: Snapshot) -> None:
    """Set the flag by the servers that the provider shows, by host; an unknown list keeps it."""
    conditions, tenant = snapshot.conditions, snapshot.tenant.name
    listed = {name: "; ".join(server.spam) for name, server in servers.items() if server.spam}
    if listed:
        entries = ", ".join(f"{name}: {text}" for name, text in listed.items())[:TEXT_LIMIT]
        fault = faults.SPAM_LISTED(tenant=tenant, entries=entries)
        if not conditions.is_true(TENANT, SPAM_LISTED):
            log.warning("spam listed", tenant=tenant, code=str(fault.code), error=fault.message)
        ask = ask_of(fault.code.acts, fault.remedy)
        conditions.set(TENANT, SPAM_LISTED, ok(fault.code.reason, fault.sentence, ask=ask))
    elif all(name in servers and servers[name].spam is not None for name in _hosts(snapshot)):
        conditions.set(TENANT, SPAM_LISTED, bad("NothingListed", ""))


def _hosts(snapshot: Snapshot) -> list[str]:
    return [host.name for host in snapshot.cloud.hosts]
