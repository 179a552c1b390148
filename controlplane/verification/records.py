"""Compares every expected record with the answers of name servers."""

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
TEXT_LIMIT = 200
"""Maximum characters of a wrong answer in a message."""


async def verify_records(
    blueprint: Blueprint, ips: Mapping[str, str], names: Names
) -> list[Finding]:
    """Look up each record whose content is determined; returns at most two findings each."""
    hosts = _names_of_hosts(blueprint)
    results = await asyncio.gather(
        *(
            _verify(_ExpectedRecord(record, _subject(record, hosts), _content(record, ips)), names)
            for record in blueprint.records
            if record.address is None or record.address in ips
        )
    )
    # All records of a zone that is not delegated have one fault: once per subject is enough.
    return list(dict.fromkeys(finding for findings in results for finding in findings))


@dataclass(frozen=True)
class _ExpectedRecord:
    """A record, its subject, and its content as `names.rdata_text` prints it."""

    record: Record
    subject: str
    content: str

    @property
    def name_and_type(self) -> str:
        return f"{self.record.name} {self.record.type}"

    @property
    def remedy(self) -> str | None:
        """Action for the owner of a manual zone; None if the platform writes the record."""
        if self.record.provider is Dns.MANUAL:
            return f"set {self.name_and_type} {self.content} where {self.record.zone} is hosted"
        return None

    def check(self, check: str) -> str:
        return "dns.manual" if self.record.provider is Dns.MANUAL else check

    def finding(self, check: str, fault: Fault) -> Finding:
        checked = fault.code is not faults.LOOKUP_FAILED
        return Finding.of(self.subject, self.check(check), fault, checked=checked)


async def _verify(expected: _ExpectedRecord, names: Names) -> list[Finding]:
    """Query the zone's own servers, and the recursive one only for records that are right there.

    A recursive server that is queried too early caches that a name does not exist.
    """
    record = expected.record
    try:
        answers = await names.authoritative(record.zone, record.name, record.type)
        for server, answer in answers.items():
            remedy = "wait: the next pass writes it; if it persists, find out what changes it"
            if wrong := _compare(expected, answer, "dns.authoritative", server, remedy):
                return [wrong]
    except Fault as fault:
        if expected.remedy and fault.code is faults.NOT_DELEGATED:
            fault = faults.NOT_DELEGATED(zone=record.zone, remedy=expected.remedy)
        return [expected.finding("dns.authoritative", fault)]
    findings = [_right(expected, "dns.authoritative", "all name servers of its zone")]
    resolver = "the recursive name server"
    try:
        answer = await names.recursive(record.name, record.type)
        remedy = f"wait {record.ttl} s: older answers are still cached"
        wrong = _compare(expected, answer, "dns.recursive", resolver, remedy)
        return [*findings, wrong or _right(expected, "dns.recursive", resolver)]
    except Fault as fault:
        return [*findings, expected.finding("dns.recursive", fault)]


def _compare(
    expected: _ExpectedRecord, answer: set[str], check: str, server: str, remedy: str
) -> Finding | None:
    """Return the finding of a wrong answer. Other records of the name are ignored, except SPF."""
    candidates = answer
    if expected.record.type is RecordType.TXT:
        kind = expected.content.split(maxsplit=1)[0].rstrip(";")
        candidates = {
            text for text in answer if text.split(maxsplit=1)[:1] in ([kind], [f"{kind};"])
        }
    actual = ", ".join(sorted(candidates))[:TEXT_LIMIT]
    fields: dict[str, Any] = {"record": expected.name_and_type, "server": server}
    if expected.content.startswith(SPF) and len(candidates) > 1:
        name, count = expected.record.name, len(candidates)
        fault = faults.SEVERAL_SPF(
            **fields, count=count, actual=actual, name=name, expected=expected.content
        )
        return expected.finding(check, fault)
    if expected.content in answer:
        return None
    fields["remedy"] = expected.remedy or remedy
    if not candidates:
        return expected.finding(check, faults.MISSING(**fields))
    fault = faults.DIFFERENT(**fields, actual=actual, expected=expected.content[:TEXT_LIMIT])
    return expected.finding(check, fault)


def _right(expected: _ExpectedRecord, check: str, server: str) -> Finding:
    return Finding(
        expected.subject,
        expected.check(check),
        True,
        f"{expected.name_and_type} is right at {server}",
    )


def _content(record: Record, ips: Mapping[str, str]) -> str:
    if record.address is not None:
        return ips[record.address]
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
