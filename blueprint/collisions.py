"""Finds invalid derived names: claimed by two values of a document, or longer than DNS allows.

Names are derived from each value alone; only the rendered records show whether two are equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from blueprint.document import Blueprint, Record, RecordType
from blueprint.faults import Path
from blueprint.platform import Platform
from blueprint.records import domain_records, host_records

Named = tuple[Path, Sequence[Record]]
"""A value of a document that names are derived from, with its records."""
NAME_LIMIT = 253
"""Characters of a domain name without its final dot (RFC 1035 section 2.3.4)."""


def named_values(blueprint: Blueprint, platform: Platform) -> list[Named]:
    """Return every value of a document that names are derived from.

    The blueprint is that of a document which is valid in all other respects.
    """
    name = blueprint.tenant
    named: list[Named] = []
    for index, host in enumerate(blueprint.hosts):
        records = list(host_records(name, host, platform))
        named.append((("spec", "hosts", index, "name"), records))
    for index, domain in enumerate(blueprint.domains):
        receiving = domain.model_copy(update={"receives": True})  # with a mailbox, now or later
        records = list(domain_records(name, receiving, blueprint.hosts, None, platform))
        named.append((("spec", "domains", index, "name"), records))
    return named


def collisions(named: Sequence[Named]) -> Iterator[tuple[Path, str, Path]]:
    """Yield (value to change, name that it claims, value that claimed the name before).

    Each value is reported at most once.
    """
    claimed: defaultdict[str, list[tuple[Record, Path]]] = defaultdict(list)
    for path, records in named:
        conflicts = (
            (record.name, owner)
            for record in records
            for other, owner in claimed[record.name]
            if _exclude_each_other(record, other)
        )
        first = next(conflicts, None)
        if first is not None:
            yield (path, *first)
        for record in records:
            claimed[record.name].append((record, path))


def too_long(named: Sequence[Named]) -> Iterator[tuple[Path, str]]:
    """Yield (value to shorten, derived name that is longer than DNS allows)."""
    for path, records in named:
        names = {name for record in records for name in _names(record)}
        longest = max(names, key=len)
        if len(longest) > NAME_LIMIT:
            yield path, longest


def _names(record: Record) -> Iterator[str]:
    """Yield the names in a record: its own, and the target of a CNAME."""
    yield record.name
    if record.type is RecordType.CNAME and record.content is not None:
        yield record.content


def _exclude_each_other(one: Record, other: Record) -> bool:
    """A CNAME excludes other records (RFC 1034 3.6.2), and each name has one use per type.

    Two SPF records at a name are an error to every receiver (RFC 7208 section 4.5).
    """
    return RecordType.CNAME in (one.type, other.type) or one.type is other.type
