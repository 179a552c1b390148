"""Compares every record that shall exist with what name servers say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from blueprint.document import Blueprint, Record, RecordType
from blueprint.tenant import Dns
from controlplane.reconciler.ports import Finding
from controlplane.verification.names import Names, NotDelegated, Unanswered

SPF = "v=spf1"
SHOWN = 200
"""Characters of a wrong answer that a message repeats."""


async def verify_records(
    blueprint: Blueprint, numbers: Mapping[str, str], names: Names
) -> list[Finding]:
    """Look up each record whose content is known; returns two findings for a record at most."""
    hosts = _names_of_hosts(blueprint)
    found = await asyncio.gather(
        *(
            _verify(_Wanted(record, _subject(record, hosts), _expected(record, numbers)), names)
            for record in blueprint.records
            if record.address is None or record.address in numbers
        )
    )
    # All records of a zone that is not delegated say the same: once for each subject is enough.
    return list(dict.fromkeys(finding for findings in found for finding in findings))


@dataclass(frozen=True)
class _Wanted:
    """A record, whom it serves, and its content as `names.plain` prints it."""

    record: Record
    subject: str
    content: str

    @property
    def shown(self) -> str:
        return f"{self.record.name} {self.record.type}"

    def finding(self, check: str, code: str, message: str, remedy: str) -> Finding:
        """Return a finding; what another must set tells what to set, whatever is wrong."""
        if self.record.provider is Dns.MANUAL:
            check = "dns.manual"
            if code != "dns.several_spf":
                remedy = f"set {self.shown} {self.content} where {self.record.zone} is hosted"
        unseen = code in ("dns.lookup_failed", "dns.no_resolver")
        return Finding(self.subject, check, None if unseen else False, message, code, remedy)


async def _verify(wanted: _Wanted, names: Names) -> list[Finding]:
    """Ask the zone's own servers, and the recursive one only for what is right there.

    A recursive server that is asked too early remembers that a name did not exist.
    """
    record = wanted.record
    try:
        answers = await names.authoritative(record.zone, record.name, record.type)
        for server, seen in answers.items():
            remedy = "it is written by the next visit; if it stays, look for who else changes it"
            if wrong := _compare(wanted, seen, "dns.authoritative", server, remedy):
                return [wrong]
    except NotDelegated as error:
        remedy = (
            f"enter the name servers that Cloudflare shows for {error.zone} at its registrar; "
            "a new delegation can take a day to be seen"
        )
        code = "dns.not_delegated"
        return [wanted.finding("dns.authoritative", code, str(error), remedy)]
    except Unanswered as error:
        remedy = "nothing to do: it is looked up again"
        return [wanted.finding("dns.authoritative", error.code, str(error), remedy)]
    found = [_right(wanted, "dns.authoritative", "all name servers of its zone")]
    resolver = "the recursive name server"
    try:
        seen = await names.recursive(record.name, record.type)
        remedy = f"wait {record.ttl} s: older answers are still remembered"
        wrong = _compare(wanted, seen, "dns.recursive", resolver, remedy)
        return [*found, wrong or _right(wanted, "dns.recursive", resolver)]
    except Unanswered as error:
        remedy = "nothing to do: it is looked up again"
        return [*found, wanted.finding("dns.recursive", error.code, str(error), remedy)]


def _compare(
    wanted: _Wanted, seen: set[str], check: str, server: str, remedy: str
) -> Finding | None:
    """Return what is wrong with an answer. Other records beside ours are fine, but for SPF."""
    rivals = seen
    if wanted.record.type is RecordType.TXT:
        kind = wanted.content.split(maxsplit=1)[0].rstrip(";")
        rivals = {text for text in seen if text.split(maxsplit=1)[:1] in ([kind], [f"{kind};"])}
    shown = ", ".join(sorted(rivals))[:SHOWN]
    if wanted.content.startswith(SPF) and len(rivals) > 1:
        message = f"{wanted.shown} at {server}: {len(rivals)} SPF records, so that none counts"
        remedy = f"delete all SPF records of {wanted.record.name} but: {wanted.content}"
        return wanted.finding(check, "dns.several_spf", f"{message}: {shown}", remedy)
    if wanted.content in seen:
        return None
    if not rivals:
        message = f"{wanted.shown} does not exist at {server}"
        return wanted.finding(check, "dns.missing", message, remedy)
    message = f"{wanted.shown} at {server} is {shown}, not {wanted.content[:SHOWN]}"
    return wanted.finding(check, "dns.different", message, remedy)


def _right(wanted: _Wanted, check: str, server: str) -> Finding:
    if wanted.record.provider is Dns.MANUAL:
        check = "dns.manual"
    return Finding(wanted.subject, check, True, f"{wanted.shown} is right at {server}", "dns.ok")


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
