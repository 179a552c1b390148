"""Existing records of a zone: marked records are adopted, a foreign one in the way is a fault."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from blueprint.document import Record, RecordType
from kit.faults import Fault
from stacks.cloudflare_api import Live
from stacks.faults import (
    ALIAS_IN_THE_WAY,
    DELEGATED_AWAY,
    EMAIL_ROUTING,
    FOREIGN_RECORD,
    RECORD_QUOTA,
)
from stacks.zones import Zone

VERSION = re.compile(r"v=(spf1|dmarc1)(?=[\s;]|$)", re.IGNORECASE)
"""Begins a TXT record of which a name must have only one."""
ADDRESSES = ("A", "AAAA", "CNAME")
"""Types that say where a name leads; Cloudflare keeps no CNAME beside another of these."""


def adoptions(
    zone: Zone, records: Sequence[Record], in_state: Collection[str], live: Sequence[Live]
) -> dict[str, str]:
    """Return record key to import id (`<zone id>/<record id>`) for marked records not in the state.

    `records` are those of one zone that are wanted, `live` those that it has; `in_state` are the
    record keys of the state. Raises the fault of a record in the way, or of a zone that has no room
    for those that are missing.
    """
    missing = [record for record in records if record.key not in in_state]
    existing = ((record, _existing(record, live, zone.name)) for record in missing)
    found = {
        record.key: f"{zone.id}/{match['id']}" for record, match in existing if match is not None
    }
    more = len(missing) - len(found)
    if zone.quota is not None and len(live) + more > zone.quota:
        count = f"{zone.name} has {len(live)} of {zone.quota} records"
        raise RECORD_QUOTA(reason=f"{count}, and {more} more are needed")
    return found


def _existing(record: Record, live: Iterable[Live], apex: str) -> Live | None:
    """Return the existing record with the mark of `record`; raise for one in the way."""
    marked = None
    for other in live:
        if _hides_all_below(record, other, apex):
            raise DELEGATED_AWAY(key=record.key, cut=_name(other), zone=apex)
        if other.get("comment") == record.comment and other["type"] == record.type:
            marked = other
        elif not _is_of_the_same_tenant(record, other) and (fault := _fault(record, other, apex)):
            raise fault
    return marked


def _fault(record: Record, other: Live, apex: str) -> Fault | None:
    """Return why a foreign record is in the way, None when both can be there."""
    if _name(other) != record.name or not _conflicts(record, other, apex):
        return None
    shown: dict[str, Any] = {
        "record": f"{other['type']} {_name(other)}",
        "zone": apex,
        "key": record.key,
    }
    if (other.get("meta") or {}).get("read_only"):
        return EMAIL_ROUTING(**shown)
    if other["type"] == "CNAME" and record.type not in ADDRESSES:
        return ALIAS_IN_THE_WAY(**shown, remedy=_remedy_of_alias(record))
    return FOREIGN_RECORD(**shown, remedy=_remedy(record))


def _remedy(record: Record) -> str:
    """Return what an owner can do without losing what uses the record."""
    if record.type in ADDRESSES:
        return "move that record to another name at Cloudflare, or rename the host in the file"
    return (
        f"{_keeping(record)}remove it, or hand it over by setting its comment to {record.comment} "
        "(it is overwritten then)"
    )


def _remedy_of_alias(record: Record) -> str:
    """Return what to do with a CNAME; that of a domain's own name usually leads to a website."""
    if record.name == record.domain:
        return "turn its proxy on at Cloudflare, or replace it by address records of its target"
    return f"{_keeping(record)}remove it at Cloudflare"


def _keeping(record: Record) -> str:
    return f"to keep it, set `dns: manual` for {record.domain}, or " if record.domain else ""


def _conflicts(record: Record, other: Live, apex: str) -> bool:
    kind = other["type"]
    if record.type in ADDRESSES:
        return kind in ADDRESSES  # a foreign AAAA would lead mail to another host
    if kind == "CNAME":
        return _hides_its_name(other, apex)
    if kind != record.type:
        return False
    if record.type is not RecordType.TXT:
        return True
    if "._domainkey." in record.name:
        return True  # a selector has one key, which need not begin with its version
    theirs, ours = _text(other.get("content")), _text(record.content)
    return theirs == ours or (_version(theirs) == _version(ours) != "")


def _version(text: str) -> str:
    match = VERSION.match(text)
    return match[0].lower() if match else ""


def _hides_its_name(alias: Live, apex: str) -> bool:
    """Return whether a CNAME hides the other records of its name.

    One at the apex, or proxied, or flattened, is answered by addresses: the usual website beside
    mail.
    """
    flattened = alias.get("proxied") or (alias.get("settings") or {}).get("flatten_cname")
    return not flattened and _name(alias) != apex


def _hides_all_below(record: Record, other: Live, apex: str) -> bool:
    """Return whether an NS record below the apex delegates the name of `record` to others."""
    cut = _name(other)
    at_or_below = record.name == cut or record.name.endswith(f".{cut}")
    return other["type"] == "NS" and cut != apex and at_or_below


def _is_of_the_same_tenant(record: Record, other: Live) -> bool:
    """Return whether the other record is of the same tenant: the engine orders those."""
    tenant = ":".join(record.comment.split(":")[:3])
    return str(other.get("comment") or "").startswith(f"{tenant}:")


def _name(live: Live) -> str:
    return str(live["name"]).lower().rstrip(".")


def _text(content: object) -> str:
    """Return a TXT content without its quotes, joined."""
    text = str(content or "")
    return text.strip('"').replace('" "', "") if text.startswith('"') else text
