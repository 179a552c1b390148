"""Writes one record of each zone before the engine runs: only a write proves the right to.

A token that may only read passes every look-up. So nothing is bought for a zone that cannot be
written, and a zone that fails later is held by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from blueprint.document import Record, RecordType
from stacks.domaindns import service_of, strings
from stacks.lost_zones import prove_writable
from stacks.state import Resource
from stacks.zones import create_record


def write_first(
    zone_id: str,
    records: Sequence[Record],
    in_state: Mapping[str, Resource],
    adopted: Collection[str],
) -> None:
    """Write the first record of a zone that is missing; the engine finds it there.

    Where none is missing and another is to be changed or deleted, one is written as it is.
    `in_state` are records of this zone, `adopted` the keys of those that the next run changes.
    Raises a fault of Cloudflare.
    """
    for record, text in _independent_texts(records):
        if record.key not in in_state and record.key not in adopted:
            create_record(zone_id, _fields(record, text))
            return
    deleted = in_state.keys() - {record.key for record in records}
    if deleted or any(_is_changed(record, in_state.get(record.key)) for record in records):
        prove_writable(zone_id, in_state.values())


def _independent_texts(records: Sequence[Record]) -> Iterator[tuple[Record, str]]:
    """Yield the TXT records that name no host, which has no address before it is bought."""
    for record in records:
        if record.type is RecordType.TXT and record.content and " a:" not in record.content:
            yield record, record.content


def _is_changed(record: Record, row: Resource | None) -> bool:
    if row is None or record.content is None:
        return False
    if record.type is RecordType.SRV:
        return row.inputs.get("data") != service_of(record)
    is_text = record.type is RecordType.TXT
    content = strings(record.content) if is_text else record.content
    return (row.inputs.get("content"), row.inputs.get("priority")) != (content, record.priority)


def _fields(record: Record, text: str) -> dict[str, Any]:
    return {
        "name": record.name,
        "type": record.type,
        "content": strings(text),
        "ttl": record.ttl,
        "proxied": False,
        "comment": record.comment,
    }
