"""Judges the answer for an expected record as a receiver of mail reads it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT

from blueprint.document import Record, RecordType
from blueprint.records import NO_KEY
from blueprint.tenant import Dns
from blueprint.zones import inherited_policy
from controlplane.verification import dmarc, faults
from controlplane.verification.dkim_key import KeyMistake, published_key
from controlplane.verification.names import texts
from controlplane.verification.queries import Answer
from controlplane.verification.spf import Lookup, Result, check_host, txt_bytes
from controlplane.verification.spf_record import is_spf, merged
from kit.faults import Code, Fault

TEXT_LIMIT = 200
"""Maximum characters of a wrong answer in a message."""
NOBODY = "192.0.2.1"
"""An address that no host has (RFC 5737)."""
REPORTS = "._report._dmarc."
"""In the name of a record that admits reports about other domains (RFC 7489 7.1)."""


@dataclass(frozen=True)
class Expected:
    """A record with its content as `names.texts` prints it, and what decides whether it works."""

    record: Record
    subject: str
    content: str
    senders: Mapping[str, str]
    """The addresses that its SPF record must let send, with their HELO names."""
    exchange_ips: frozenset[str]
    """Of an MX record: the addresses of its exchange, which alone take mail."""
    siblings: frozenset[str]
    """Contents of all expected records of its name and type."""
    targets: tuple[Expected, ...] = ()
    """Of an alias: the expected records of its target."""

    @property
    def name_and_type(self) -> str:
        """The record as messages name it."""
        return f"{self.record.name} {self.record.type}"

    @property
    def is_manual(self) -> bool:
        """Whether the owner of the zone sets the record."""
        return self.record.provider is Dns.MANUAL


@dataclass(frozen=True)
class View:
    """Where an answer comes from, and look-ups of further names from there."""

    server: str
    lookup: Callable[[str, str], Awaitable[Answer]]
    is_cache: bool = False
    """Whether it may still answer with older data."""


@dataclass(frozen=True)
class Judgement:
    """A fault is a mistake, or only a remark where the record works all the same."""

    fault: Fault | None = None
    works: bool = False
    gone: bool = False
    """Our key or host is not there: no receiver accepts the mail from now on."""


RIGHT = Judgement(works=True)


async def judge(expected: Expected, answer: Answer, view: View) -> Judgement:
    """Judge one answer; raises a fault where a further look-up has no definite answer."""
    match expected.record.type:
        case RecordType.A:
            return _judge_address(expected, answer, view)
        case RecordType.MX:
            return await _judge_exchange(expected, answer, view)
        case RecordType.CNAME:
            return await _judge_alias(expected, answer, view)
    if is_spf(expected.content.encode()):
        return await _judge_spf(expected, answer, view)
    if dmarc.versioned([expected.content]):
        return await _judge_dmarc(expected, answer, view)
    if expected.content.startswith("v=DKIM1") and expected.content != NO_KEY:
        return _judge_dkim(expected, answer, view)
    found = texts(answer.data)
    return RIGHT if expected.content in found else _other(expected, answer, view, found)


def _judge_address(expected: Expected, answer: Answer, view: View) -> Judgement:
    """Further addresses are a remark: they matter only where mail is delivered to the name."""
    found = texts(answer.data)
    if expected.content not in found:
        return replace(_other(expected, answer, view, found), gone=True)
    if set(found) <= expected.siblings:
        return RIGHT
    return replace(_other(expected, answer, view, found), works=True)


async def _judge_exchange(expected: Expected, answer: Answer, view: View) -> Judgement:
    """All exchanges with the best preference are ours, by name or by address (RFC 5321 5.1).

    Others are a remark: mail goes there while our host does not answer.
    """
    exchanges = [item for item in answer.data if isinstance(item, dns.rdtypes.ANY.MX.MX)]
    best = min((item.preference for item in exchanges), default=0)
    ours = {content.partition(" ")[2] for content in expected.siblings}
    for item in exchanges:
        name = item.exchange.to_text(omit_final_dot=True).lower()
        if item.preference > best or name in ours:
            continue
        is_null = item.exchange == dns.name.root
        ips = set() if is_null else set(texts((await view.lookup(name, "A")).data))
        if not ips or not ips <= expected.exchange_ips:
            return _other(expected, answer, view, texts(answer.data))
    if not exchanges:
        return _other(expected, answer, view, [])
    names = {item.exchange.to_text(omit_final_dot=True).lower() for item in exchanges}
    if names <= ours or all(item.preference == best for item in exchanges):
        return RIGHT
    return replace(_other(expected, answer, view, texts(answer.data)), works=True)


async def _judge_alias(expected: Expected, answer: Answer, view: View) -> Judgement:
    """An alias may lead over others; copies of the target's records work until they change."""
    found = texts(answer.data)
    name = str(expected.record.name)
    if expected.content in found:
        return RIGHT
    if found and expected.content in (await view.lookup(name, "TXT")).aliases:
        return RIGHT
    copies = [
        await judge(_renamed(target, name), await view.lookup(name, target.record.type), view)
        for target in expected.targets
    ]
    wrong = _other(expected, answer, view, found)
    if copies and all(copy.works for copy in copies):
        return replace(wrong, works=True)
    if not found and (addresses := texts((await view.lookup(name, "A")).data)):
        remedy = (
            f"set {expected.name_and_type} {expected.content} in place of all other records of the "
            "name; if it is set already, turn off its proxy or flattening"
        )
        wrong = _fault(expected, answer, view, faults.HIDDEN, addresses, remedy=remedy)
    return replace(wrong, gone=any(copy.gone for copy in copies))


def _renamed(expected: Expected, name: str) -> Expected:
    return replace(expected, record=expected.record.model_copy(update={"name": name}))


async def _judge_spf(expected: Expected, answer: Answer, view: View) -> Judgement:
    """`check_host` passes for each of our addresses, whatever the text (RFC 7208)."""
    name = str(expected.record.name)
    records = [text for text in map(txt_bytes, answer.data) if is_spf(text)]
    found = [text.decode("ascii", "replace") for text in records]
    if not records:
        like = [text for text in texts(answer.data) if "spf1" in text.lower()]
        return _other(expected, answer, view, like)
    if len(records) > 1:
        remedy = f"keep only {expected.content}"
        if expected.is_manual:
            remedy = f"merge them: {merged(found, expected.content)}"
        return _several(expected, answer, view, "SPF", found, remedy)

    async def lookup(asked: str, type_: str) -> Sequence[dns.rdata.Rdata]:
        if (asked.lower(), type_) == (name, "TXT"):
            return answer.data
        return (await view.lookup(asked, type_)).data

    for ip, helo in expected.senders.items():
        checked = await check_host(ip, name, f"postmaster@{name}", helo=helo, lookup=lookup)
        if checked.unanswered is not None:
            raise checked.unanswered
        if checked.result is Result.PASS:
            continue
        remedy, reason = "", checked.reason
        if expected.is_manual:
            remedy = await _change(name, merged(found, expected.content), lookup)
        wrong = partial(_fault, expected, answer, view)
        if checked.result is Result.PERMERROR:
            return wrong(faults.SPF_ERROR, found, remedy=remedy, reason=reason)
        reason = f"{checked.result} by {reason}"
        return wrong(faults.SPF_REFUSES, found, remedy=remedy, reason=reason, ip=ip)
    return RIGHT


async def _change(name: str, text: str, lookup: Lookup) -> str:
    """Return what the owner does, so that his other mail still passes: it may need more look-ups.

    A sender that no term admits makes a receiver evaluate all of them.
    """

    async def changed(asked: str, type_: str) -> Sequence[dns.rdata.Rdata]:
        if (asked.lower(), type_) != (name, "TXT"):
            return await lookup(asked, type_)
        chunks = [text[start : start + 255].encode() for start in range(0, len(text), 255)]
        return [dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, chunks)]

    checked = await check_host(NOBODY, name, f"postmaster@{name}", helo=name, lookup=changed)
    change = f"change {name} TXT to {text}"
    if checked.result is not Result.PERMERROR:
        return change
    return f"{change}, and correct it or remove what is not needed: {checked.reason}"


async def _judge_dmarc(expected: Expected, answer: Answer, view: View) -> Judgement:
    """Exactly one valid record, here or at the registered domain; any policy will do."""
    name = where = str(expected.record.name)
    found = texts(answer.data)
    records = dmarc.versioned(found)
    if REPORTS in f".{name}":
        return RIGHT if records else _other(expected, answer, view, found)
    if not records and (where := inherited_policy(name)) != name:
        records = dmarc.versioned(texts((await view.lookup(where, "TXT")).data))
    if not records:
        like = [text for text in found if "dmarc1" in text.lower()]
        if like:
            reason = "it does not begin with v=DMARC1;"
            return _invalid(expected, answer, view, faults.DMARC_INVALID, like[0], reason)
        return _other(expected, answer, view, [])
    if len(records) > 1:
        remedy = f"leave one of them at {where}"
        return _several(expected, answer, view, "DMARC", records, remedy)
    try:
        policy = dmarc.policy_of(records[0])
    except dmarc.PolicyMistake as mistake:
        return _invalid(expected, answer, view, faults.DMARC_INVALID, records[0], str(mistake))
    own = records if where == name else []
    if expected.is_manual or (own and policy == dmarc.policy_of(expected.content)):
        return RIGHT
    return replace(_other(expected, answer, view, own), works=True)


def _judge_dkim(expected: Expected, answer: Answer, view: View) -> Judgement:
    """One record, whose key is the one that signs; with several, verifiers take any."""
    found = texts(answer.data)
    if not found:
        return replace(_other(expected, answer, view, []), gone=True)
    ours = published_key(expected.content)
    keys, mistakes = [], []
    for text in found:
        try:
            keys.append(published_key(text))
        except KeyMistake as mistake:
            mistakes.append(str(mistake))
    if len(found) > 1:
        remedy = f"leave one of them: {expected.content}"
        several = _several(expected, answer, view, "DKIM", found, remedy)
        return replace(several, gone=ours not in keys)
    if ours in keys:
        return RIGHT
    reason = mistakes[0] if mistakes else "it has another key than the one that signs"
    invalid = _invalid(expected, answer, view, faults.DKIM_INVALID, found[0], reason)
    return replace(invalid, gone=True)


def _other(expected: Expected, answer: Answer, view: View, found: Sequence[str]) -> Judgement:
    """Return that a record is missing, or has the content that was found instead."""
    if not found:
        return _fault(expected, answer, view, faults.MISSING)
    wanted = expected.content[:TEXT_LIMIT]
    return _fault(expected, answer, view, faults.DIFFERENT, found, expected=wanted)


def _several(
    expected: Expected, answer: Answer, view: View, kind: str, found: Sequence[str], remedy: str
) -> Judgement:
    fields = {"kind": kind, "count": len(found)}
    return _fault(expected, answer, view, faults.SEVERAL, found, remedy=remedy, **fields)


def _invalid(
    expected: Expected, answer: Answer, view: View, code: Code, actual: str, reason: str
) -> Judgement:
    remedy = f"correct it; with {expected.content} it is valid" if expected.is_manual else ""
    return _fault(expected, answer, view, code, [actual], remedy=remedy, reason=reason)


def _fault(
    wanted: Expected,
    answer: Answer,
    view: View,
    code: Code,
    found: Sequence[str] = (),
    /,
    *,
    remedy: str = "",
    **fields: Any,
) -> Judgement:
    """Return a mistake: what was found, and what to do, by default about another record."""
    if view.is_cache:
        remedy = f"wait {answer.ttl} s: older answers are still cached"
    fault = code(
        record=wanted.name_and_type,
        server=view.server,
        actual=", ".join(found)[:TEXT_LIMIT],
        remedy=remedy or _remedy(wanted, answer),
        **fields,
    )
    return Judgement(fault)


def _remedy(expected: Expected, answer: Answer) -> str:
    """Return what to do about a record that is missing or has other content at its zone."""
    record = expected.record
    if not expected.is_manual:
        return "wait: the next pass writes it; if it persists, find out what changes it"
    change = f"set {expected.name_and_type} {expected.content} where {record.zone} is hosted"
    if record.type is not RecordType.CNAME and answer.aliases:
        change = (
            f"replace the CNAME of {record.name}, beside which no other record can be, by "
            f"records of its own, with {record.type} {expected.content} among them"
        )
    elif record.type is RecordType.MX and answer.data:
        change = f"replace the MX records of {record.name} by {expected.content}"
    if record.type is RecordType.MX:
        change += ", or remove its mailboxes from the document: their mail must come here"
    return f"{change}; `penguin describe domain/{record.domain}` shows all records to set"
