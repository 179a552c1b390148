"""What the owner of a manual zone reads: the records to set, and what may stay as it is."""

from __future__ import annotations

from blueprint.document import Blueprint, Record, RecordType, Rule
from blueprint.tenant import Dns, Document, DomainName
from blueprint.zones import inherited_policy


class Instruction(Document):
    """One record that the owner of a zone sets."""

    name: str
    type: RecordType
    value: str
    """Content without quotes; of an MX record with its preference."""
    note: str
    """What to do with records of the name that exist."""
    checked: bool
    """Whether the domain waits for it."""


def instructions(blueprint: Blueprint, domain: DomainName | None = None) -> list[Instruction]:
    """Return the records to set for a domain, or for all; none where we write them."""
    return [
        Instruction(
            name=record.name,
            type=record.type,
            value=value_of(record),
            note=_note(record),
            checked=record.rule.is_checked,
        )
        for record in blueprint.records
        if record.provider is Dns.MANUAL and domain in (None, record.domain)
    ]


def value_of(record: Record) -> str:
    """Return the value of a record, as people read it."""
    if record.address:
        return f"(the IPv4 address of {record.address})"
    priority = f"{record.priority} " if record.priority is not None else ""
    return f"{priority}{record.content}"


def _note(record: Record) -> str:
    match record.rule:
        case Rule.RESERVED:
            return "for later use; not checked yet"
        case Rule.OPTIONAL:
            return "links in mail lead there once it is set, and to a name of ours until then"
        case Rule.ANY:
            above = inherited_policy(record.name)
            where = "" if above == record.name else f", neither here nor at {above}"
            return f"only where there is none{where}: any valid one will do, whatever its policy"
        case Rule.MERGED:
            term = (record.content or "").split(" ")[1]
            return f"only where there is none: else write {term} after the v=spf1 of the one there"
    if record.type is RecordType.MX:
        return "in place of all others: mailboxes of the domain are in the document"
    return "in place of all other records of the name, without a proxy"
