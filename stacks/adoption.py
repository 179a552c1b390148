"""Records that stand in a zone already: ours are adopted, a foreign one in the way is an error."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from http.client import HTTPException
from typing import Any

from blueprint.document import Record, RecordType
from stacks.errors import StackError, reason

API = "https://api.cloudflare.com/client/v4"
PAGE = 5000
TIMEOUT = 30
"""Seconds for one page."""
EXCLUSIVE_TAGS = ("v=spf1", "v=dkim1", "v=dmarc1")
"""A name must not have two texts that begin with the same of these."""

Live = Mapping[str, Any]
"""A record as Cloudflare lists it."""


def adoptions(
    zones: Mapping[str, str],
    records: Mapping[str, Sequence[Record]],
    known: Collection[str],
    live_records: Callable[[str], Iterable[Live]] | None = None,
) -> dict[str, str]:
    """Return record key to import id (`<zone id>/<record id>`) for marked records not in the state.

    `zones` maps name to id; `known` holds the record keys of the state. A zone all of whose records
    are known is not listed. Raises StackError `dns.foreign_record`.
    """
    found: dict[str, str] = {}
    for zone, zone_id in zones.items():
        missing = [record for record in records[zone] if record.key not in known]
        if missing:
            live = list((live_records or list_records)(zone_id))
            for record in missing:
                match = _standing(record, live)
                if match is not None:
                    found[record.key] = f"{zone_id}/{match['id']}"
    return found


def _standing(wanted: Record, live: Iterable[Live]) -> Live | None:
    """Return the record that carries our mark for this one; refuse a foreign one in the way."""
    ours = None
    for other in live:
        if other.get("comment") == wanted.comment and other["type"] == wanted.type:
            ours = other
        elif _in_the_way(wanted, other) and not _marked_alike(wanted, other):
            content = str(other.get("content", ""))
            raise StackError(
                "dns.foreign_record",
                f"{other['type']} {other['name']} ({content[:80]}) in zone {wanted.zone} is not"
                f" ours and in the way of {wanted.key}",
                remedy=f"delete it at Cloudflare, or give it to us by setting its comment to"
                f" {wanted.comment}",
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
    tenant = wanted.comment.split(":")[1]
    return str(other.get("comment") or "").startswith(f"pm:{tenant}:")


def list_records(zone_id: str) -> list[Live]:
    """List a zone's records with the provider's own credentials from the environment."""
    base = (os.environ.get("CLOUDFLARE_BASE_URL") or API).rstrip("/")
    found: list[Live] = []
    page = 1
    while True:
        query = urllib.parse.urlencode({"per_page": PAGE, "page": page})
        batch = _get(f"{base}/zones/{zone_id}/dns_records?{query}")
        found += batch
        if len(batch) < PAGE:
            return found
        page += 1


def _get(url: str) -> list[Live]:
    token = os.environ.get("CLOUDFLARE_API_TOKEN", "").strip()
    try:
        request = urllib.request.Request(  # noqa: S310 - the operator's own address
            url, headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            result = json.load(answer)["result"]
    except urllib.error.HTTPError as error:
        refused = error.code in (401, 403)
        raise StackError(
            "cloudflare.unauthorized" if refused else "cloudflare.error",
            f"Cloudflare refuses to list the zone's records: HTTP {error.code}",
            remedy="check CLOUDFLARE_API_TOKEN and its permissions (DNS write, zone read)"
            if refused
            else "it is tried again; see https://www.cloudflarestatus.com",
        ) from None
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise StackError(
            "cloudflare.unreachable",
            f"Cloudflare at {url.split('/zones')[0]} does not answer: {reason(error)}",
            remedy="check CLOUDFLARE_BASE_URL and the network; it is tried again",
        ) from None
    return list(result or [])
