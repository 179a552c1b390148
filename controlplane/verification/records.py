"""Compares every expected record with the answers of name servers, as receivers read them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from blueprint.document import Blueprint, Record, RecordType
from blueprint.records import NO_SENDER
from blueprint.zones import registrable
from controlplane.reconciler.ports import Finding
from controlplane.verification import faults
from controlplane.verification.judges import RIGHT, Expected, Judgement, View, judge
from controlplane.verification.names import Names
from controlplane.verification.queries import Answer
from kit.faults import Actor, Fault

AUTHORITATIVE, RECURSIVE, MANUAL, SERVERS = (
    "dns.authoritative",
    "dns.recursive",
    "dns.manual",
    "dns.servers",
)
RESOLVER = "the recursive name server"


async def verify_records(
    blueprint: Blueprint, ips: Mapping[str, str], names: Names
) -> list[Finding]:
    """Look up each record whose content is determined; returns at most two findings each.

    A server that does not answer is a remark, as long as others of its zone do.
    """
    expected = _expected(blueprint, ips)
    results = await asyncio.gather(*(_verify(record, names) for record in expected))
    remarks = await asyncio.gather(
        *(_remarks(subject, zone, names) for subject, zone in dict.fromkeys(map(_place, expected)))
    )
    # All records of a zone that is not delegated have one fault: once per subject is enough.
    return list(dict.fromkeys(finding for found in (*results, *remarks) for finding in found))


async def _verify(expected: Expected, names: Names) -> list[Finding]:
    """Query the zone's own servers, and the recursive one only for records that work there.

    A recursive server that is queried too early caches that a name does not exist.
    """
    record = expected.record
    name, type_ = str(record.name), str(record.type)
    try:
        zone = await names.enclosing(record.zone)
        answers = await names.authoritative(zone, name, type_)
        own = await _judge_own(expected, {s.label: answer for s, answer in answers.items()}, names)
        if not own.works:
            # A server that did not answer may still have our key or host.
            is_gone = own.gone and not await names.troubles(zone)
            return [_finding(expected, AUTHORITATIVE, replace(own, gone=is_gone))]
    except Fault as fault:
        return [_unanswered(expected, AUTHORITATIVE, fault)]
    findings = [_finding(expected, AUTHORITATIVE, own)]
    try:
        answer = await names.recursive(name, type_)
        view = View(RESOLVER, names.recursive, is_cache=True)
        cached = await judge(expected, answer, view)
        # Whatever a cache still has, the zone itself has our key and host.
        return [*findings, _finding(expected, RECURSIVE, replace(cached, gone=False))]
    except Fault as fault:
        return [*findings, _unanswered(expected, RECURSIVE, fault)]


async def _judge_own(expected: Expected, answers: Mapping[str, Answer], names: Names) -> Judgement:
    """Judge each different answer: the first wrong one counts. Gone is what no server has."""
    judgements = []
    for answer in dict.fromkeys(answers.values()):
        servers = [server for server, given in answers.items() if given == answer]
        label = "all its name servers" if len(servers) == len(answers) > 1 else servers[0]
        judgements.append(await judge(expected, answer, View(label, names.nearest)))
    wrong = [judgement for judgement in judgements if not judgement.works]
    if not wrong:
        return next((one for one in judgements if one.fault is not None), RIGHT)
    is_gone = len(wrong) == len(judgements) and all(judgement.gone for judgement in wrong)
    return replace(wrong[0], gone=is_gone)


async def _remarks(subject: str, zone: str, names: Names) -> list[Finding]:
    """Return the servers of a zone that did not answer; a zone that none did is a finding."""
    try:
        troubles = await names.troubles(await names.enclosing(zone))
    except Fault:
        return []
    return [Finding.remark(subject, SERVERS, fault) for fault in troubles]


def _finding(expected: Expected, check: str, judgement: Judgement) -> Finding:
    fault, subject = judgement.fault, expected.subject
    own = MANUAL if expected.is_manual else check
    if fault is None:
        where = "all name servers of its zone" if check == AUTHORITATIVE else RESOLVER
        return Finding(subject, own, True, f"{expected.name_and_type} is right at {where}")
    found = Finding.of(subject, own, fault)
    # Ours are written again; and what is right at its own servers only has to be waited for.
    acts = Actor.USER if expected.is_manual and check == AUTHORITATIVE else Actor.NOBODY
    return replace(found, ok=judgement.works, gone=judgement.gone, acts=acts)


def _unanswered(expected: Expected, check: str, fault: Fault) -> Finding:
    """Return the finding of a look-up that ended in a fault."""
    if expected.is_manual and fault.code is faults.NOT_DELEGATED:
        zone = registrable(expected.record.zone)
        remedy = f"enter the name servers of {zone} at its registrar"
        fault = faults.NOT_DELEGATED(zone=zone, remedy=remedy)
    checked = fault.code not in faults.UNANSWERED
    own = MANUAL if expected.is_manual else check
    return Finding.of(expected.subject, own, fault, checked=checked)


def _expected(blueprint: Blueprint, ips: Mapping[str, str]) -> list[Expected]:
    """Return the records whose content is determined, each with what decides whether it works.

    Nothing waits for those of a domain that drains.
    """
    draining = {domain.name for domain in blueprint.draining_domains}
    records = [
        record
        for record in blueprint.records
        if (record.address is None or record.address in ips)
        and record.rule.is_checked
        and record.domain not in draining
    ]
    helos = {
        ips[address.name]: address.helo
        for host in blueprint.hosts
        for address in host.addresses
        if address.name in ips
    }
    hosts = _names_of_hosts(blueprint)
    siblings: dict[tuple[str, str], set[str]] = {}
    for record in records:
        key = str(record.name), str(record.type)
        siblings.setdefault(key, set()).add(_content(record, ips))
    expected = [
        Expected(
            record=record,
            subject=_subject(record, hosts),
            content=_content(record, ips),
            senders=_senders(record, helos),
            exchange_ips=frozenset(siblings.get((str(record.content), "A"), ())),
            siblings=frozenset(siblings[str(record.name), str(record.type)]),
        )
        for record in records
    ]
    return [replace(one, targets=_targets(one, expected)) for one in expected]


def _senders(record: Record, helos: Mapping[str, str]) -> Mapping[str, str]:
    """Return the addresses that a record must let send: a HELO name only its own."""
    if record.content == NO_SENDER:
        return {}
    if record.domain is not None:
        return helos
    return {ip: helo for ip, helo in helos.items() if helo == record.name}


def _targets(alias: Expected, expected: list[Expected]) -> tuple[Expected, ...]:
    if alias.record.type is not RecordType.CNAME:
        return ()
    return tuple(one for one in expected if one.record.name == alias.content)


def _content(record: Record, ips: Mapping[str, str]) -> str:
    if record.address is not None:
        return ips[record.address]
    content = record.content or ""
    if record.type is RecordType.TXT:
        return content
    if record.type is RecordType.MX:
        return f"{record.priority} {content}".lower()
    return content.lower()


def _place(expected: Expected) -> tuple[str, str]:
    return expected.subject, str(expected.record.zone)


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
