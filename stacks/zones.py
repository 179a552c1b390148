"""Lists zones and their records at Cloudflare, before anything is declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import idna

from blueprint.mail_address import meant_domain
from blueprint.zones import possible_zones
from kit.faults import Fault
from stacks.cloudflare_api import Live, change, create, list_all, remove
from stacks.faults import CLOUDFLARE_ERROR, ZONE_AMBIGUOUS, ZONE_NOT_FOUND, ZONE_NOT_FULL

PAGE = 5000
ACTIVE = "active"
"""Status of a zone whose delegation Cloudflare has seen."""
QUOTAS = {"free": 200, "pro": 3500, "business": 3500}
"""Records of a zone by its plan."""
SMALLER_SINCE = "2024-09-01"
"""Zones on the free plan that were made before hold more records."""
FULL = "full"
"""Type of a zone that Cloudflare's name servers are asked for."""


@dataclass(frozen=True)
class Zone:
    """A zone of the account; its name is in A-labels."""

    id: str
    name: str
    is_active: bool = True
    """Whether it is delegated to Cloudflare: of a name, one zone at most is."""
    quota: int | None = None
    """How many records its plan allows; None: not known."""


def find_zone(name: str, *, exact: bool = False) -> Zone:
    """Return the longest zone of the account that a name is in, or with `exact` that zone only.

    A zone that is not delegated to Cloudflare counts only where no other zone has the name: records
    that were moved there would not be served. Those of a partial or secondary zone never are.
    Raises ZONE_NOT_FOUND, ZONE_NOT_FULL, ZONE_AMBIGUOUS, or another fault of Cloudflare.
    """
    names = (name,) if exact else tuple(possible_zones(name))
    waiting: list[Live] = []
    others: list[Live] = []
    for candidate in names:
        listed = _named(candidate)
        full = [zone for zone in listed if zone["type"] == FULL]
        for zone in full:
            if zone.get("status") == ACTIVE:
                return Zone(str(zone["id"]), candidate, quota=_quota(zone))
        waiting = waiting or full
        others = others or listed
    if others and not waiting:
        raise ZONE_NOT_FULL(zone=_a_labels(str(others[0]["name"])), type=others[0]["type"])
    if not waiting:
        raise ZONE_NOT_FOUND(zone=" or ".join(names))
    found = _a_labels(str(waiting[0]["name"]))
    if len(waiting) > 1:
        raise ZONE_AMBIGUOUS(zone=found, count=len(waiting))
    return Zone(str(waiting[0]["id"]), found, is_active=False, quota=_quota(waiting[0]))


def _quota(zone: Live) -> int | None:
    """Return how many records a zone may have, None where that is agreed by contract."""
    plan = str((zone.get("plan") or {}).get("legacy_id"))
    if plan == "free" and str(zone.get("created_on")) < SMALLER_SINCE:
        return 1000
    return QUOTAS.get(plan)


def _named(name: str) -> list[Live]:
    """List the zones of a name, in all accounts that the token reaches."""
    for form in _forms(name):
        listed = list_all("/zones", name=form, match="all")
        if same := [zone for zone in listed if _a_labels(str(zone.get("name"))) == name]:
            return same
    return []


def _forms(name: str) -> Iterator[str]:
    """Yield the forms that a zone can be listed by: Cloudflare writes its name in Unicode."""
    yield name
    try:
        if (written := idna.decode(name)) != name:
            yield written
    except idna.IDNAError:
        return


def _a_labels(name: str) -> str:
    """Return a zone's name in lower case and A-labels; one with an underscore has none."""
    return meant_domain(name) or name.lower()


def list_records(zone_id: str) -> list[Live]:
    """List the records of a zone."""
    return list_all(f"/zones/{zone_id}/dns_records", per_page=PAGE)


def create_record(zone_id: str, record: Mapping[str, Any]) -> Live:
    """Write a record, and return it as the zone lists it afterwards.

    The listing decides: an answer may be lost after the record was written. Raises the refusal.
    """
    path = f"/zones/{zone_id}/dns_records"
    refusal = CLOUDFLARE_ERROR(answer="no record that it has accepted", path=path)
    try:
        create(path, record)
    except Fault as fault:
        refusal = fault
    for live in list_records(zone_id):
        if (live.get("comment"), live["type"]) == (record["comment"], record["type"]):
            return live
    raise refusal


def change_record(zone_id: str, record_id: str, record: Mapping[str, Any]) -> None:
    """Write a record that exists; its type stays."""
    change(f"/zones/{zone_id}/dns_records/{record_id}", record)


def remove_record(zone_id: str, record_id: str) -> None:
    """Delete a record; one that is gone is no fault."""
    remove(f"/zones/{zone_id}/dns_records/{record_id}")
