"""Looks whether the reverse name of each address leads there and back (FCrDNS, RFC 1912 2.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from blueprint.document import Address, Blueprint
from controlplane.reconciler.ports import Finding
from controlplane.verification.names import Names, Unanswered

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
    except Unanswered as error:
        remedy = "nothing to do: it is looked up again"
        return Finding(subject, CHECK, None, str(error), error.code, remedy)
    remedy = f"set the reverse name of {ip} to {helo} at the provider"
    if not pointers:
        message, code = f"{ip} has no reverse name", "dns.ptr_missing"
    elif pointers != {helo}:
        shown = ", ".join(sorted(pointers))
        message, code = f"the reverse name of {ip} is {shown}, not {helo}", "dns.ptr_different"
    elif ip not in back:
        message, code = f"{helo} does not lead back to {ip}", "dns.ptr_not_confirmed"
        remedy = f"{helo} needs an A record of {ip}; if it has one, wait until it is seen"
    else:
        return Finding(subject, CHECK, True, f"{ip} and {helo} agree", "dns.ok")
    return Finding(subject, CHECK, False, message, code, remedy)
