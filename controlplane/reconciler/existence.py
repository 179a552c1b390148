"""Verdicts about what exists at the providers: hosts, addresses, and the records of domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from blueprint.document import Blueprint, Record
from blueprint.tenant import Dns
from controlplane.conditions.model import PROVISIONED, Ask, Verdict, ask_of, bad, failed, ok
from controlplane.reconciler.faults import MAIN_ADDRESS_MOVED, SERVER_GONE
from controlplane.reconciler.ports import CloudState, Held, ObservedHost
from kit.faults import Actor, Fault


def held_everywhere(blueprint: Blueprint, held: dict[str, Held]) -> Held | None:
    """Return a cause where every domain is held: then no host is bought, whatever its zone is."""
    ours = [domain.name for domain in blueprint.domains if domain.dns is Dns.CLOUDFLARE]
    return held[ours[0]] if ours and all(name in held for name in ours) else None


def of_host(
    observed: ObservedHost | None, held: Held | None, wrong: Fault | None, created: Verdict | None
) -> Verdict:
    if wrong is not None:
        return failed(wrong)
    if created is not None:
        return created
    if observed is not None and observed.primary_ip:
        return ok(PROVISIONED, observed.primary_ip)
    if held is not None:
        return of_held(held)
    return bad("NotProvisioned", "the provider has not finished it")


def purchase_of(host: ObservedHost | None) -> Ask | None:
    """Return what is asked for an address of a host that has none; None before the host exists."""
    if host is None or not host.primary_ip:
        return None
    server = f"server {host.service_id} ({host.server_name})"
    remedy = f"buy an address for {server} in the provider's portal; it is adopted automatically"
    return ask_of(Actor.OPERATOR, remedy)


def of_address(
    ip: str | None, *, primary: bool, ask: Ask | None, created: Verdict | None
) -> Verdict:
    """Return whether an address has an IP; only the primary one comes with its server."""
    if ip:
        return ok(PROVISIONED, ip)
    if primary and created is not None:
        return created
    message = "not bought in the provider's portal yet"
    return bad("WaitingForProvider", message, waits=not primary, ask=None if primary else ask)


def of_moved_address(host: ObservedHost, new: str) -> Verdict:
    fault = MAIN_ADDRESS_MOVED(host=host.name, old=host.primary_ip, new=new)
    return bad(fault.code.reason, fault.sentence)


def fault_of_gone(host: ObservedHost) -> Fault:
    return SERVER_GONE(service_id=host.service_id, host=host.name, name=host.server_name)


def of_gone(host: ObservedHost) -> Verdict:
    fault = fault_of_gone(host)
    return bad(fault.code.reason, fault.sentence)


def of_held(zone: Held) -> Verdict:
    return bad(zone.reason, zone.sentence, ask=ask_of(zone.acts, zone.remedy))


def of_records(records: Sequence[Record], state: CloudState, held: dict[str, Held]) -> Verdict:
    """Return whether a domain's records were written, except for those that are set by hand."""
    ours = [record for record in records if record.provider is Dns.CLOUDFLARE]
    for record in ours:
        if (zone := held.get(record.zone)) is not None:
            return replace(of_held(zone), waits=True)
    assigned = {a.name for host in state.hosts for a in host.addresses if a.ip}
    missing = [
        record.key
        for record in ours
        if record.key not in state.records
        and (record.address is None or record.address in assigned)
    ]
    if missing:
        return bad("NotRecorded", f"not written yet: {', '.join(sorted(missing))}")
    return ok(PROVISIONED) if ours else ok("SetByHand")
