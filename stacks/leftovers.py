"""Records with a tenant's mark that neither its state nor its blueprint has, and their removal.

A run may end after it has written a record and before the engine's checkpoint. The next run adopts
what the blueprint still has; the mark is all that says whose the rest is. Zones are remembered
beside the state before the first write, since the document may not have their domains any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pulumi

from blueprint.document import Record
from kit.faults import Fault, line
from stacks.cloudflare_api import Live
from stacks.faults import (
    CLOUDFLARE_GONE,
    CLOUDFLARE_UNAUTHORIZED,
    LEFTOVER,
    ZONE_NOT_SEARCHED,
)
from stacks.lost_zones import is_given_up
from stacks.zones import list_records, remove_record

CHALLENGE = "_acme-challenge."
"""Begins the names of records that exist while a certificate is ordered."""


@dataclass(frozen=True)
class Known:
    """What remains of the records with a tenant's mark."""

    mark: str
    """Begins the comments of the tenant's records."""
    in_state: Collection[str]
    """Ids."""
    wanted: Collection[tuple[str, str]] = ()
    """Comment and type of the records of the blueprint."""
    since: datetime | None = None
    """When the database was last restored: earlier records may be of a later document."""


def wanted_records(records: Iterable[Record]) -> frozenset[tuple[str, str]]:
    """Return what `Known.wanted` has of a blueprint's records."""
    return frozenset((record.comment, record.type.value) for record in records)


def leftovers(live: Iterable[Live], known: Known) -> list[Live]:
    """Return which records of a zone are left over.

    Of several with the same mark and type, the one of the state is kept, else the first.
    """
    listed = list(live)
    kept = {_identity(one) for one in listed if one["id"] in known.in_state}
    found = []
    for one in listed:
        if one["id"] in known.in_state or not _may_be_removed(one, known):
            continue
        identity = _identity(one)
        if identity in known.wanted and identity not in kept:
            kept.add(identity)
        else:
            found.append(one)
    return found


class Memory(Protocol):
    """Where zones (name by id) are remembered beside the state of a stack: `Stacks`."""

    def zones(self, stack: str) -> dict[str, str]:
        """Return the zones."""

    def remember_zones(self, stack: str, zones: Mapping[str, str]) -> None:
        """Write the zones."""


class Search:
    """Removes the leftovers of one tenant, zone by zone."""

    def __init__(self, stack: str, known: Known, memory: Memory) -> None:
        self._stack = stack
        self._known = known
        self._memory = memory
        self.remembered = memory.zones(stack)
        """Zones (name by id) where an earlier run may have written a record."""

    def remember(self, zones: Mapping[str, str]) -> None:
        """Remember zones (name by id) before a record is written in them."""
        self._store({**self.remembered, **zones})

    def clear(self, zone_id: str) -> list[Live]:
        """Remove the leftovers of a zone; return its other records. Raises faults of Cloudflare."""
        live = list_records(zone_id)
        removed = leftovers(live, self._known)
        for one in removed:
            remove_record(zone_id, str(one["id"]))
            record = f"{one['type']} {one['name']}"
            pulumi.log.info(line(LEFTOVER(record=record, mark=one["comment"])))
        return [one for one in live if one not in removed]

    def clear_former(self, zones: Mapping[str, str]) -> dict[str, Fault]:
        """Search zones (name by id) that no domain of the document is in any more, and forget them;
        return the faults of the others by name."""
        held: dict[str, Fault] = {}
        done = set()
        for zone_id, name in zones.items():
            try:
                self._clear_former(zone_id, name)
            except Fault as fault:
                held[name] = fault
            else:
                done.add(zone_id)
        self._store({id_: name for id_, name in self.remembered.items() if id_ not in done})
        return held

    def _clear_former(self, zone_id: str, name: str) -> None:
        try:
            self.clear(zone_id)
        except Fault as fault:
            if fault.code is CLOUDFLARE_GONE:
                return
            if fault.code is not CLOUDFLARE_UNAUTHORIZED:
                raise
            if not is_given_up(zone_id, name):
                raise ZONE_NOT_SEARCHED(zone=name) from None

    def _store(self, zones: dict[str, str]) -> None:
        if zones != self.remembered:
            self._memory.remember_zones(self._stack, zones)
            self.remembered = zones


def _may_be_removed(live: Live, known: Known) -> bool:
    if not str(live.get("comment") or "").startswith(known.mark):
        return False
    if str(live["name"]).startswith(CHALLENGE):
        return False
    if known.since is None:
        return True
    written = live.get("created_on")
    return bool(written) and datetime.fromisoformat(str(written)) > known.since


def _identity(live: Live) -> tuple[str, str]:
    return str(live.get("comment") or ""), str(live["type"])
