"""Finds names that cannot be: claimed by two parts of a document, or longer than DNS can hold.

Rules derive the name of each part; only the records show whether two of them are equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from blueprint.document import Record, RecordType
from blueprint.faults import Path
from blueprint.platform import Platform
from blueprint.records import domain_records, host_records
from blueprint.render import render
from blueprint.tenant import Tenant

NAME_LIMIT = 253
"""Characters of a domain name without its final dot (RFC 1035 section 2.3.4)."""


def collisions(tenant: Tenant, platform: Platform) -> Iterator[tuple[Path, str, Path]]:
    """Yield (value to change, name that it claims, value that has the name already).

    The tenant must be valid in all other respects. Each value is named once at most.
    """
    taken: defaultdict[str, list[tuple[Record, Path]]] = defaultdict(list)
    for path, records in _parts(tenant, platform):
        own = list(records)
        rivals = (
            (record.name, owner)
            for record in own
            for other, owner in taken[record.name]
            if _exclude_each_other(record, other)
        )
        first = next(rivals, None)
        if first is not None:
            yield (path, *first)
        for record in own:
            taken[record.name].append((record, path))


def too_long(tenant: Tenant, platform: Platform) -> Iterator[tuple[Path, str]]:
    """Yield (value to shorten, name that follows from it and is longer than DNS can hold)."""
    for path, records in _parts(tenant, platform):
        names = {name for record in records for name in _names(record)}
        longest = max(names, key=len)
        if len(longest) > NAME_LIMIT:
            yield path, longest


def _names(record: Record) -> Iterator[str]:
    """Yield the names in a record: its own, and the one that it points at."""
    yield record.name
    if record.type is RecordType.CNAME and record.content is not None:
        yield record.content


def _parts(tenant: Tenant, platform: Platform) -> Iterator[tuple[Path, Iterable[Record]]]:
    """Yield every part of the document that names are derived from, with its records."""
    name = tenant.metadata.name
    blueprint = render(tenant, platform=platform, keys=None, generation=1)
    for index, host in enumerate(blueprint.hosts):
        yield ("spec", "hosts", index, "name"), host_records(name, host, platform)
    for index, domain in enumerate(blueprint.domains):
        records = domain_records(name, domain, blueprint.hosts, None, platform)
        yield ("spec", "domains", index, "name"), records


def _exclude_each_other(one: Record, other: Record) -> bool:
    """A CNAME excludes other records (RFC 1034 3.6.2), and each name has one use per type.

    Two SPF records at a name are an error to every receiver (RFC 7208 section 4.5).
    """
    return RecordType.CNAME in (one.type, other.type) or one.type is other.type
