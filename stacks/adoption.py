"""Existing records of a zone: marked records are adopted, a conflicting foreign one is a fault."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from blueprint.document import Record, RecordType
from stacks.faults import FOREIGN_RECORD
from stacks.zones import Live, list_records

EXCLUSIVE_TAGS = ("v=spf1", "v=dkim1", "v=dmarc1")
"""A name must not have two TXT records that begin with the same tag."""


def adoptions(
    zone_id: str,
    records: Sequence[Record],
    in_state: Collection[str],
    live_records: Callable[[str], Iterable[Live]] = list_records,
) -> dict[str, str]:
    """Return record key to import id (`<zone id>/<record id>`) for marked records not in the state.

    `records` are those of one zone; `in_state` are the record keys of the state. A zone
    whose records are all in the state is not listed. Raises FOREIGN_RECORD.
    """
    missing = [record for record in records if record.key not in in_state]
    live = list(live_records(zone_id)) if missing else []
    existing = ((record, _existing(record, live)) for record in missing)
    return {
        record.key: f"{zone_id}/{match['id']}" for record, match in existing if match is not None
    }


def _existing(record: Record, live: Iterable[Live]) -> Live | None:
    """Return the existing record with the mark of `record`; raise for a conflicting foreign one."""
    marked = None
    for other in live:
        if other.get("comment") == record.comment and other["type"] == record.type:
            marked = other
        elif _conflicts(record, other) and not _is_of_the_same_tenant(record, other):
            content = str(other.get("content", ""))
            raise FOREIGN_RECORD(
                record=f"{other['type']} {other['name']} ({content[:80]})",
                zone=record.zone,
                key=record.key,
                mark=record.comment,
            )
    return marked


def _conflicts(record: Record, other: Live) -> bool:
    if str(other["name"]).lower().rstrip(".") != record.name:
        return False
    if "CNAME" in (other["type"], record.type):
        return True
    if other["type"] != record.type:
        return False
    if record.type is not RecordType.TXT:
        return True
    content = str(other.get("content", "")).strip('"').lower()
    return any(
        content.startswith(tag) and (record.content or "").lower().startswith(tag)
        for tag in EXCLUSIVE_TAGS
    )


def _is_of_the_same_tenant(record: Record, other: Live) -> bool:
    """Return whether the other record is of the same tenant: the engine orders those."""
    tenant = ":".join(record.comment.split(":")[:3])
    return str(other.get("comment") or "").startswith(f"{tenant}:")
