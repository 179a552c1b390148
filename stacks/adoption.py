"""Existing records of a zone: marked ones are adopted, a conflicting foreign one is a fault."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from blueprint.document import Record, RecordType
from stacks.faults import FOREIGN_RECORD
from stacks.zones import Live, list_records

EXCLUSIVE_TAGS = ("v=spf1", "v=dkim1", "v=dmarc1")
"""A name must not have two texts that begin with the same of these."""


def adoptions(
    zone_id: str,
    records: Sequence[Record],
    in_state: Collection[str],
    live_records: Callable[[str], Iterable[Live]] = list_records,
) -> dict[str, str]:
    """Return record key to import id (`<zone id>/<record id>`) for marked records not in the state.

    `records` are those of one zone; `in_state` holds the record keys of the state. A zone
    whose records are all in the state is not listed. Raises FOREIGN_RECORD.
    """
    missing = [record for record in records if record.key not in in_state]
    live = list(live_records(zone_id)) if missing else []
    existing = ((record, _existing(record, live)) for record in missing)
    return {record.key: f"{zone_id}/{one['id']}" for record, one in existing if one is not None}


def _existing(wanted: Record, live: Iterable[Live]) -> Live | None:
    """Return the record with the mark of this one; refuse a conflicting foreign one."""
    marked = None
    for other in live:
        if other.get("comment") == wanted.comment and other["type"] == wanted.type:
            marked = other
        elif _conflicts(wanted, other) and not _is_of_the_same_tenant(wanted, other):
            content = str(other.get("content", ""))
            raise FOREIGN_RECORD(
                record=f"{other['type']} {other['name']} ({content[:80]})",
                zone=wanted.zone,
                key=wanted.key,
                mark=wanted.comment,
            )
    return marked


def _conflicts(wanted: Record, other: Live) -> bool:
    if str(other["name"]).lower().rstrip(".") != wanted.name:
        return False
    if "CNAME" in (other["type"], wanted.type):
        return True
    if other["type"] != wanted.type:
        return False
    if wanted.type is not RecordType.TXT:
        return True
    content = str(other.get("content", "")).strip('"').lower()
    return any(
        content.startswith(tag) and (wanted.content or "").lower().startswith(tag)
        for tag in EXCLUSIVE_TAGS
    )


def _is_of_the_same_tenant(wanted: Record, other: Live) -> bool:
    """Return whether the other record is of the same tenant: the engine orders those."""
    tenant = ":".join(wanted.comment.split(":")[:3])
    return str(other.get("comment") or "").startswith(f"{tenant}:")
