"""Records of the state in zones that are gone, or that the token may not change any more.

A refusal does not prove that a zone is gone. It is when the account has an active zone of the same
name with another id, of which there is never a second one; else a person decides.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from kit.faults import Fault
from stacks.faults import (
    CLOUDFLARE_GONE,
    CLOUDFLARE_UNAUTHORIZED,
    ZONE_NOT_FOUND,
    ZONE_OUT_OF_REACH,
)
from stacks.state import Resource
from stacks.variables import FORGOTTEN_ZONES
from stacks.zones import change_record, find_zone

Prove = Callable[[str, Iterable[Resource]], None]
"""Raises the fault of a zone that cannot be used; takes its id and its records of the state."""


@dataclass
class Lost:
    """Records of the state, by key, that the engine must not delete at the provider."""

    gone: set[str] = field(default_factory=set)
    """In zones that are gone: only to be taken out of the state."""
    kept: set[str] = field(default_factory=set)
    """In zones that cannot be changed: to be left as they are."""
    held: dict[str, Fault] = field(default_factory=dict)
    """Why, by the name of the zone."""


def find_lost(records: Mapping[str, Resource], known: Collection[str], prove: Prove) -> Lost:
    """Try the zones of records of the state, except those whose ids are known to be usable."""
    zones: defaultdict[tuple[str, str], dict[str, Resource]] = defaultdict(dict)
    for key, row in records.items():
        if row.zone_id not in known and not row.is_forgotten:
            zones[row.zone_id, row.parent][key] = row
    lost = Lost()
    for (zone_id, name), own in zones.items():
        try:
            if _is_gone(zone_id, name, own.values(), prove):
                lost.gone |= own.keys()
        except Fault as fault:
            lost.kept |= own.keys()
            lost.held[name] = fault
    return lost


def prove_writable(zone_id: str, rows: Iterable[Resource]) -> None:
    """Write a record of the state as it is: only a write proves the right to."""
    for row in rows:
        try:
            change_record(zone_id, row.id, {"comment": row.inputs.get("comment")})
        except Fault as fault:
            if fault.code is not CLOUDFLARE_GONE:
                raise
            continue  # deleted by another client, which proves nothing
        return


def _is_gone(zone_id: str, name: str, rows: Collection[Resource], prove: Prove) -> bool:
    """Return whether a zone is gone; raises the fault of one that cannot be changed."""
    try:
        prove(zone_id, rows)
    except Fault as fault:
        if fault.code is not CLOUDFLARE_UNAUTHORIZED:
            raise
    else:
        return False
    if is_given_up(zone_id, name):
        return True
    raise ZONE_OUT_OF_REACH(zone=name, count=len(rows))


def is_given_up(zone_id: str, name: str) -> bool:
    """Return whether a zone that was refused is gone, or a person has decided so."""
    return _is_replaced(zone_id, name) or name in os.environ.get(FORGOTTEN_ZONES, "").split()


def _is_replaced(zone_id: str, name: str) -> bool:
    """Return whether the zone of a name is another one by now; raises if none can be listed."""
    try:
        listed = find_zone(name, exact=True)
    except Fault as fault:
        if fault.code is not ZONE_NOT_FOUND:
            raise
        return False
    return listed.is_active and listed.id != zone_id
