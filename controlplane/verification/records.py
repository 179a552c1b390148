"""Compares every record that shall exist with what servers say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from blueprint.document import Blueprint, Record, RecordType
from blueprint.tenant import Dns
from controlplane.provisioning.ports import Finding
from controlplane.verification.names import Names, Unanswered


async def verify_records(
    blueprint: Blueprint, numbers: Mapping[str, str], names: Names, at_once: int
) -> list[Finding]:
    """Look up each record whose content is known; returns two findings for a record at most."""
    turns = asyncio.Semaphore(at_once)
    hosts = _names_of_hosts(blueprint)

    async def look(record: Record) -> list[Finding]:
        async with turns:
            return await _verify(record, _expected(record, numbers), _subject(record, hosts), names)

    known = [r for r in blueprint.records if r.address is None or r.address in numbers]
    found = await asyncio.gather(*(look(record) for record in known))
    return [finding for findings in found for finding in findings]


async def verify_reverse(
    blueprint: Blueprint, numbers: Mapping[str, str], names: Names
) -> list[Finding]:
    """Compare the reverse name of each address with its HELO name (FCrDNS, RFC 1912 2.1)."""
    addresses = [a for host in blueprint.hosts for a in host.addresses if a.name in numbers]

    async def look(name: str, helo: str) -> Finding:
        ip, subject = numbers[name], f"address/{name}"
        remedy = "nothing to do: it is looked at again; set the PTR at the provider if it stays"
        try:
            pointers, back = await names.pointer(ip), await names.recursive(helo, "A")
        except Unanswered as error:
            return Finding(subject, "fcrdns", False, str(error), "dns.unanswered", remedy)
        if helo not in pointers:
            seen = ", ".join(sorted(pointers)) or "nothing"
            message = f"the reverse name of {ip} is {seen}, not {helo}"
            return Finding(subject, "fcrdns", False, message, "dns.wrong_pointer", remedy)
        if ip not in back:
            message = f"{helo} does not lead back to {ip}"
            return Finding(subject, "fcrdns", False, message, "dns.pointer_not_confirmed", remedy)
        return Finding(subject, "fcrdns", True, f"{ip} and {helo} agree", "dns.ok")

    return list(await asyncio.gather(*(look(a.name, a.helo) for a in addresses)))


async def _verify(record: Record, expected: str, subject: str, names: Names) -> list[Finding]:
    found: list[Finding] = []
    questions = (
        ("dns.authoritative", names.authoritative(record.zone, record.name, record.type)),
        ("dns.recursive", names.recursive(record.name, record.type)),
    )
    for check, question in questions:
        if found and not found[-1].ok:
            question.close()
            continue
        try:
            seen = await question
        except Unanswered as error:
            remedy = _remedy(record, expected)
            found.append(Finding(subject, check, False, str(error), "dns.unanswered", remedy))
            continue
        found.append(_finding(record, expected, subject, check, seen))
    return found


def _finding(record: Record, expected: str, subject: str, check: str, seen: set[str]) -> Finding:
    if expected in seen:
        return Finding(subject, check, True, f"{record.name} {record.type} is right", "dns.ok")
    if not seen:
        message, code = f"{record.name} has no {record.type} record", "dns.missing"
    else:
        shown = ", ".join(sorted(seen))[:120]
        message, code = f"{record.name} {record.type} is {shown}", "dns.different"
    return Finding(subject, check, False, message, code, _remedy(record, expected))


def _remedy(record: Record, expected: str) -> str:
    if record.provider is Dns.MANUAL:
        return f"set {record.name} {record.type} {expected}"
    return "nothing to do: it is looked at again; is the zone delegated to Cloudflare?"


def _expected(record: Record, numbers: Mapping[str, str]) -> str:
    """Return the content as `controlplane.verification.names.plain` prints it."""
    if record.address is not None:
        return numbers[record.address]
    content = record.content or ""
    if record.type is RecordType.TXT:
        return content
    if record.type is RecordType.MX:
        return f"{record.priority} {content}".lower()
    return content.lower()


def _names_of_hosts(blueprint: Blueprint) -> dict[str, str]:
    """Map every name of a host or address to its subject."""
    found: dict[str, str] = {}
    for host in blueprint.hosts:
        found[host.egress_name] = f"host/{host.name}"
        found |= {address.helo: f"address/{address.name}" for address in host.addresses}
    return found


def _subject(record: Record, hosts: Mapping[str, str]) -> str:
    if record.address is not None:
        return f"address/{record.address}"
    if record.domain is not None:
        return f"domain/{record.domain}"
    return hosts.get(str(record.name), f"domain/{record.zone}")
