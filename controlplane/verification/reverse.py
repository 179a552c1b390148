"""Looks whether the reverse name of each address leads there and back (FCrDNS, RFC 1912 2.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from blueprint.document import Address, Blueprint
from controlplane.reconciler.ports import Finding
from controlplane.verification import faults
from controlplane.verification.names import Names
from kit.faults import Fault

CHECK = "fcrdns"


async def verify_reverse(
    blueprint: Blueprint, numbers: Mapping[str, str], names: Names
) -> list[Finding]:
    """Return one finding for each address that has a number."""
    addresses = [a for host in blueprint.hosts for a in host.addresses if a.name in numbers]
    return list(await asyncio.gather(*(_look(a, numbers[a.name], names) for a in addresses)))


async def _look(address: Address, ip: str, names: Names) -> Finding:
    subject, helo = f"address/{address.name}", address.helo
    try:
        pointers = await names.pointer(ip)
        # Asked only once the way there is right, so that no too early "no" is remembered.
        back = await names.recursive(helo, "A") if pointers == {helo} else set()
    except Fault as fault:
        return Finding.of(subject, CHECK, fault, seen=False)
    if pointers != {helo}:
        found = ", ".join(sorted(pointers)) or "missing"
        return Finding.of(subject, CHECK, faults.PTR_DIFFERENT(ip=ip, found=found, name=helo))
    if ip not in back:
        return Finding.of(subject, CHECK, faults.PTR_NOT_CONFIRMED(ip=ip, name=helo))
    return Finding(subject, CHECK, True, f"{ip} and {helo} agree")
