"""Records that stand in a zone already: ours are adopted, a foreign one in the way is an error."""

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
    known: Collection[str],
    live_records: Callable[[str], Iterable[Live]] = list_records,
) -> dict[str, str]:
    """Return record key to import id (`<zone id>/<record id>`) for marked records not in the state.

    `records` are those of one zone; `known` holds the record keys of the state. A zone all of
    whose records are known is not listed. Raises FOREIGN_RECORD.
    """
    missing = [record for record in records if record.key not in known]
    live = list(live_records(zone_id)) if missing else []
    standing = ((record, _standing(record, live)) for record in missing)
    return {record.key: f"{zone_id}/{one['id']}" for record, one in standing if one is not None}


def _standing(wanted: Record, live: Iterable[Live]) -> Live | None:
    """Return the record that carries our mark for this one; refuse a foreign one in the way."""
    ours = None
    for other in live:
        if other.get("comment") == wanted.comment and other["type"] == wanted.type:
            ours = other
        elif _in_the_way(wanted, other) and not _marked_alike(wanted, other):
            content = str(other.get("content", ""))
            raise FOREIGN_RECORD(
                record=f"{other['type']} {other['name']} ({content[:80]})",
                zone=wanted.zone,
                key=wanted.key,
                mark=wanted.comment,
            )
    return ours


def _in_the_way(wanted: Record, other: Live) -> bool:
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


def _marked_alike(wanted: Record, other: Live) -> bool:
    """Tell whether the other record is one of the same tenant: the engine orders those."""
    ours = ":".join(wanted.comment.split(":")[:3])
    return str(other.get("comment") or "").startswith(f"{ours}:")
