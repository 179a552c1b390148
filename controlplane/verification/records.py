"""Compares every wanted record with the answers of name servers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blueprint.document import Blueprint, Record, RecordType
from blueprint.tenant import Dns
from controlplane.reconciler.ports import Finding
from controlplane.verification import faults
from controlplane.verification.names import Names
from kit.faults import Fault

SPF = "v=spf1"
SHOWN = 200
"""Characters of a wrong answer that a message repeats."""


async def verify_records(
    blueprint: Blueprint, numbers: Mapping[str, str], names: Names
) -> list[Finding]:
    """Look up each record whose content is known; returns two findings for a record at most."""
    hosts = _names_of_hosts(blueprint)
    results = await asyncio.gather(
        *(
            _verify(_Wanted(record, _subject(record, hosts), _expected(record, numbers)), names)
            for record in blueprint.records
            if record.address is None or record.address in numbers
        )
    )
    # All records of a zone that is not delegated have one fault: once per subject is enough.
    return list(dict.fromkeys(finding for findings in results for finding in findings))


@dataclass(frozen=True)
class _Wanted:
    """A record, its subject, and its content as `names.plain` prints it."""

    record: Record
    subject: str
    content: str

    @property
    def shown(self) -> str:
        return f"{self.record.name} {self.record.type}"

    @property
    def remedy(self) -> str | None:
        """What the owner of a manual zone has to do; None where the platform writes the record."""
        if self.record.provider is Dns.MANUAL:
            return f"set {self.shown} {self.content} where {self.record.zone} is hosted"
        return None

    def check(self, check: str) -> str:
        return "dns.manual" if self.record.provider is Dns.MANUAL else check

    def finding(self, check: str, fault: Fault) -> Finding:
        checked = fault.code is not faults.LOOKUP_FAILED
        return Finding.of(self.subject, self.check(check), fault, checked=checked)


async def _verify(wanted: _Wanted, names: Names) -> list[Finding]:
    """Ask the zone's own servers, and the recursive one only for records that are right there.

    A recursive server that is asked too early caches that a name does not exist.
    """
    record = wanted.record
    try:
        answers = await names.authoritative(record.zone, record.name, record.type)
        for server, seen in answers.items():
            remedy = "wait: it is written in the next pass; if it stays, find out what changes it"
            if wrong := _compare(wanted, seen, "dns.authoritative", server, remedy):
                return [wrong]
    except Fault as fault:
        if wanted.remedy and fault.code is faults.NOT_DELEGATED:
            fault = faults.NOT_DELEGATED(zone=record.zone, remedy=wanted.remedy)
        return [wanted.finding("dns.authoritative", fault)]
    findings = [_right(wanted, "dns.authoritative", "all name servers of its zone")]
    resolver = "the recursive name server"
    try:
        seen = await names.recursive(record.name, record.type)
        remedy = f"wait {record.ttl} s: older answers are still cached"
        wrong = _compare(wanted, seen, "dns.recursive", resolver, remedy)
        return [*findings, wrong or _right(wanted, "dns.recursive", resolver)]
    except Fault as fault:
        return [*findings, wanted.finding("dns.recursive", fault)]


def _compare(
    wanted: _Wanted, seen: set[str], check: str, server: str, remedy: str
) -> Finding | None:
    """Return the fault of an answer. Other records of the name are ignored, except for SPF."""
    rivals = seen
    if wanted.record.type is RecordType.TXT:
        kind = wanted.content.split(maxsplit=1)[0].rstrip(";")
        rivals = {text for text in seen if text.split(maxsplit=1)[:1] in ([kind], [f"{kind};"])}
    actual = ", ".join(sorted(rivals))[:SHOWN]
    at: dict[str, Any] = {"record": wanted.shown, "server": server}
    if wanted.content.startswith(SPF) and len(rivals) > 1:
        name, count = wanted.record.name, len(rivals)
        fault = faults.SEVERAL_SPF(
            **at, count=count, actual=actual, name=name, wanted=wanted.content
        )
        return wanted.finding(check, fault)
    if wanted.content in seen:
        return None
    at["remedy"] = wanted.remedy or remedy
    if not rivals:
        return wanted.finding(check, faults.MISSING(**at))
    fault = faults.DIFFERENT(**at, actual=actual, wanted=wanted.content[:SHOWN])
    return wanted.finding(check, fault)


def _right(wanted: _Wanted, check: str, server: str) -> Finding:
    return Finding(
        wanted.subject, wanted.check(check), True, f"{wanted.shown} is right at {server}"
    )


def _expected(record: Record, numbers: Mapping[str, str]) -> str:
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
    subjects: dict[str, str] = {}
    for host in blueprint.hosts:
        subjects[host.egress_name] = f"host/{host.name}"
        subjects |= {address.helo: f"address/{address.name}" for address in host.addresses}
    return subjects


def _subject(record: Record, hosts: Mapping[str, str]) -> str:
    if record.address is not None:
        return f"address/{record.address}"
    if record.domain is not None:
        return f"domain/{record.domain}"
    return hosts.get(str(record.name), f"domain/{record.zone}")
