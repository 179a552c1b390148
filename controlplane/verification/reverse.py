"""Verifies the reverse name of each address and its forward record (FCrDNS, RFC 1912 2.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from blueprint.document import Address, Blueprint
from controlplane.reconciler.ports import Finding
from controlplane.verification import faults
from controlplane.verification.names import Names, texts
from kit.faults import Fault

CHECK = "fcrdns"


async def verify_reverse(
    blueprint: Blueprint, ips: Mapping[str, str], names: Names
) -> list[Finding]:
    """Return one finding for each address that has an IP."""
    addresses = [a for host in blueprint.hosts for a in host.addresses if a.name in ips]
    return list(await asyncio.gather(*(_verify(a, ips[a.name], names) for a in addresses)))


async def _verify(address: Address, ip: str, names: Names) -> Finding:
    """Judge as receivers do that take any of the reverse names: ours is there, and all resolve."""
    subject, helo = f"address/{address.name}", address.helo
    try:
        pointers = await names.pointer(ip)
        if helo not in pointers:
            # No name is looked up, so that no early negative answer is cached.
            actual = ", ".join(sorted(pointers)) or "missing"
            return Finding.of(subject, CHECK, faults.PTR_DIFFERENT(ip=ip, actual=actual, name=helo))
        for name in sorted(pointers, key=lambda name: name != helo):
            if ip not in texts((await names.recursive(name, "A")).data):
                return Finding.of(subject, CHECK, faults.PTR_NOT_CONFIRMED(ip=ip, name=name))
    except Fault as fault:
        return Finding.of(subject, CHECK, fault, checked=fault.code not in faults.UNANSWERED)
    return Finding(subject, CHECK, True, f"{ip} and {helo} match")
