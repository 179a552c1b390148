"""Writes the first record of a zone before anything is bought: only a write proves the right to.

A token that may only read passes every look-up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from blueprint.document import Record
from stacks.domaindns import quoted
from stacks.zones import create_record


def write_first(
    zone_id: str, records: Sequence[Record], present: Collection[str]
) -> dict[str, str]:
    """Write the first record of a zone that is missing; return its key and import id.

    `present` are the keys of records that exist. One whose content is an address waits for its
    host. Returns nothing where no record is missing; raises a fault of Cloudflare.
    """
    missing = (r for r in records if r.key not in present and r.content is not None)
    record = next(missing, None)
    if record is None:
        return {}
    fields = {
        "name": record.name,
        "type": record.type,
        "content": quoted(record, record.content),
        "ttl": record.ttl,
        "proxied": False,
        "comment": record.comment,
    }
    if record.priority is not None:
        fields["priority"] = record.priority
    return {record.key: f"{zone_id}/{create_record(zone_id, fields)['id']}"}
