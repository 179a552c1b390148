"""Writes the first record of a zone before anything is bought: only a write proves the right to.

A token that may only read passes every look-up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from blueprint.document import Record, RecordType
from stacks.domaindns import strings
from stacks.zones import create_record


def write_first(
    zone_id: str, records: Sequence[Record], present: Collection[str]
) -> dict[str, str]:
    """Write the first record of a zone that is missing; return its key and import id.

    `present` are the keys of records that exist. Returns nothing where no record is missing that
    can be written before the hosts exist; raises a fault of Cloudflare.
    """
    texts = _independent_texts(records)
    first = next(((record, text) for record, text in texts if record.key not in present), None)
    if first is None:
        return {}
    record, text = first
    fields = {
        "name": record.name,
        "type": record.type,
        "content": strings(text),
        "ttl": record.ttl,
        "proxied": False,
        "comment": record.comment,
    }
    return {record.key: f"{zone_id}/{create_record(zone_id, fields)['id']}"}


def _independent_texts(records: Sequence[Record]) -> Iterator[tuple[Record, str]]:
    """Yield the TXT records that name no host, which has no address before it is bought."""
    for record in records:
        if record.type is RecordType.TXT and record.content and " a:" not in record.content:
            yield record, record.content
