"""A Cloudflare account: its zones and their records, mirrored to a name server."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from lab.cloudflare import limits, routing
from lab.cloudflare.bindfile import parsed
from lab.cloudflare.errors import (
    Refusal,
    bad_body,
    identical,
    out_of_reach,
    type_fixed,
    wrong_kind,
    zone_missing,
)
from lab.cloudflare.limits import FREE, PLANS, Plan, RateLimit
from lab.cloudflare.records import ascii_name, normalised
from lab.cloudflare.tokens import READ_WRITE, Permission, Tokens
from lab.cloudflare.zone import Record, Zone, refuse_name, timestamp
from lab.injection import Injection
from lab.ports import Nameserver

QUOTA = FREE.records
"""Records of a zone on the free plan, since September 2024."""
EMAIL = "owner@lab.example"
GLOBAL_KEY = "9a7806061c88ada191ed06f989cc3dac00000"
NAME_SERVERS = ("ns1.lab.example", "ns2.lab.example")
ALIASES = 8
"""CNAMEs that are followed for the addresses of a flattened one."""
BATCH = ("deletes", "patches", "puts", "posts")
"""The parts of a batch, in the order in which they are done."""
FAULTS = (
    "dropped",
    "initializing",
    "lost_answer",
    "old_wrapper",
    "out_of_reach",
    "rate_limited",
    "read_error",
    "refused_with_200",
    "server_error",
    "slow",
)
"""`dropped` breaks the connection before a request takes effect, `lost_answer` after a write did;
`server_error` is 500 before it, `read_error` 500 for a read; `refused_with_200` answers `success:
false` with status 200; `old_wrapper` puts refusals into 1004 "DNS Validation Error"; `out_of_reach`
is 403; a zone that is created with `initializing` stays so until an activation check."""


class CloudflareAccount:
    """One account. Methods raise Refusal where the API would refuse."""

    def __init__(
        self,
        nameserver: Nameserver,
        token: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        requests: int = limits.REQUESTS,
    ) -> None:
        """`token` has the rights that a control plane needs; `requests` are per five minutes."""
        self.token = token
        self.id = uuid.uuid4().hex
        self.name = "Lab"
        self.faults = Injection(*FAULTS)
        self.unreadable: set[str] = set()
        """Names of zones whose look-up answers 500."""
        self.tokens = Tokens(token, EMAIL, GLOBAL_KEY)
        self.limit = RateLimit(clock, requests, limits.WINDOW)
        self.burst = RateLimit(clock, limits.BURST, limits.BURST_WINDOW)
        self._imports = RateLimit(clock, limits.IMPORTS, limits.IMPORTS_WINDOW)
        self._nameserver = nameserver
        self._clock = clock
        self._zones: dict[str, Zone] = {}
        self._removed: set[str] = set()
        self._lock = threading.RLock()

    def add_token(
        self,
        permissions: Collection[Permission | str],
        zones: Collection[str] | None = None,
        read_only: Collection[str] = (),
    ) -> str:
        """Make a token with these permissions, for these zones or all; return its text."""
        return self.tokens.add(permissions, zones, read_only)

    def zones(self, permissions: Collection[str] = READ_WRITE) -> list[Record]:
        """List all zones by name."""
        with self._lock:
            bodies = [self._body(zone, permissions) for zone in self._zones.values()]
            return sorted(bodies, key=lambda body: str(body["name"]))

    def create_zone(
        self, name: str, permissions: Collection[str] = READ_WRITE, *, plan: Plan = FREE
    ) -> Record:
        """Add a zone; it is pending until the owner delegates it."""
        name = ascii_name(name)
        with self._lock:
            refuse_name(name, plan)
            if any(zone.name == name for zone in self._zones.values()):
                raise Refusal(1061, f"{name} already exists.")
            zone = Zone(uuid.uuid4().hex, name, self._clock(), plan)
            zone.initializing = self.faults.consume("initializing")
            self._nameserver.create_zone(name)
            self._zones[zone.id] = zone
            return self._body(zone, permissions)

    def register(self, name: str, *, plan: Plan = FREE) -> None:
        """Add a zone if it is missing, and delegate it to our name server."""
        with self._lock:
            if all(zone.name != name for zone in self._zones.values()):
                self.create_zone(name, plan=plan)
            self._nameserver.delegate(name)

    def undelegate(self, name: str) -> None:
        """Let the delegation leave our name server, as its owner does at the registrar."""
        self._nameserver.undelegate(name)

    def check_activation(self, zone_id: str) -> None:
        """Look for the delegation of a zone, as soon as it is initialized."""
        with self._lock:
            self._zone(zone_id).initializing = False

    def zone(self, zone_id: str, permissions: Collection[str] = READ_WRITE) -> Record:
        """Return one zone."""
        with self._lock:
            return self._body(self._zone(zone_id), permissions)

    def name_of(self, zone_id: str) -> str:
        """Return the name of a zone."""
        with self._lock:
            return self._zone(zone_id).name

    def change_zone(self, zone_id: str, body: Mapping[str, Any]) -> None:
        """Change settings or the plan of a zone."""
        with self._lock:
            zone = self._zone(zone_id)
            paused = body.get("paused", zone.paused)
            servers = body.get("vanity_name_servers", zone.vanity_name_servers)
            plan = body.get("plan", {"id": zone.plan.id})
            if not isinstance(paused, bool):
                raise wrong_kind("paused")
            if not isinstance(servers, list) or not all(isinstance(name, str) for name in servers):
                raise wrong_kind("vanity_name_servers")
            if body.get("type", zone.type) != zone.type:
                raise wrong_kind("type")
            if not isinstance(plan, dict) or str(plan.get("id")) not in PLANS:
                raise Refusal(1005, "Invalid plan identifier")
            zone.paused, zone.vanity_name_servers = paused, servers
            zone.plan = PLANS[str(plan["id"])]
            zone.modified = self._clock()

    def delete_zone(self, zone_id: str) -> None:
        """Remove a zone with its records."""
        with self._lock:
            zone = self._zone(zone_id)
            self._nameserver.delete_zone(zone.name)
            del self._zones[zone_id]
            self._removed.add(zone_id)

    def records(self, zone_id: str, *, shadows: bool = False) -> list[Record]:
        """List a zone's records, the oldest first; `shadows` adds what hides them."""
        with self._lock:
            zone = self._zone(zone_id)
            records = list(zone.records.values())
            return [_with_shadow(zone, record) for record in records] if shadows else records

    def record(self, zone_id: str, record_id: str, *, shadows: bool = False) -> Record:
        """Return one record; `shadows` adds what hides it."""
        with self._lock:
            zone = self._zone(zone_id)
            record = zone.record(record_id)
            return _with_shadow(zone, record) if shadows else record

    def create(self, zone_id: str, body: Mapping[str, Any]) -> Record:
        """Add a record."""
        with self._changing(zone_id) as zone:
            return self._create(zone, body)

    def replace(self, zone_id: str, record_id: str, body: Mapping[str, Any]) -> Record:
        """Replace a record."""
        with self._changing(zone_id) as zone:
            return self._replace(zone, record_id, body)

    def change(self, zone_id: str, record_id: str, body: Mapping[str, Any]) -> Record:
        """Overwrite some fields of a record."""
        with self._changing(zone_id) as zone:
            return self._change(zone, record_id, body)

    def delete(self, zone_id: str, record_id: str) -> None:
        """Remove a record."""
        with self._changing(zone_id) as zone:
            self._delete(zone, record_id)

    def batch(self, zone_id: str, body: Mapping[str, Any]) -> dict[str, list[Record]]:
        """Do deletes, patches, puts and posts in this order, all or nothing."""
        parts = {part: [] if body.get(part) is None else body[part] for part in BATCH}
        if any(not isinstance(items, list) for items in parts.values()):
            raise bad_body()
        if any(not isinstance(item, dict) for items in parts.values() for item in items):
            raise bad_body()
        with self._changing(zone_id) as zone:
            if sum(map(len, parts.values())) > zone.plan.batch:
                message = f"A batch is limited to {zone.plan.batch} operations."
                raise Refusal(9207, message)  # the code is chosen
            return {
                "deletes": [self._delete(zone, _id(item)) for item in parts["deletes"]],
                "patches": [self._change(zone, _id(item), item) for item in parts["patches"]],
                "puts": [self._replace(zone, _id(item), item) for item in parts["puts"]],
                "posts": [self._create(zone, item) for item in parts["posts"]],
            }

    def import_file(self, zone_id: str, text: str, *, proxied: bool) -> dict[str, int]:
        """Add the records of a zone file that are not there, all or none."""
        self._imports.count()
        with self._changing(zone_id) as zone:
            bodies = parsed(text, zone.name, proxied=proxied)
            added = sum(self._add_missing(zone, body) for body in bodies)
            return {"recs_added": added, "total_records_parsed": len(bodies)}

    def route_email(self, zone_id: str, *, enabled: bool, locked: bool = True) -> list[Record]:
        """Enable Email Routing (its records replace the apex SPF), unlock it, or disable it."""
        with self._changing(zone_id) as zone:
            own = [r["id"] for r in zone.records.values() if r["meta"].get("email_routing")]
            if not enabled:
                return [zone.records.pop(record_id) for record_id in own]
            meta = dict(routing.LOCKED if locked else routing.UNLOCKED)
            if own:
                for record_id in own:
                    zone.records[record_id] = {**zone.records[record_id], "meta": meta}
                return [zone.records[record_id] for record_id in own]
            replaced = [
                record["id"]
                for record in zone.records.values()
                if routing.is_apex_spf(record, zone.name)
            ]
            for record_id in replaced:
                del zone.records[record_id]
            made = [self._create(zone, body)["id"] for body in routing.bodies(zone.name)]
            for record_id in made:
                zone.records[record_id] = {**zone.records[record_id], "meta": meta}
            return [zone.records[record_id] for record_id in made]

    def routed_email(self, zone_id: str) -> list[Record]:
        """Return the records of Email Routing."""
        return [r for r in self.records(zone_id) if r["meta"].get("email_routing")]

    @contextmanager
    def _changing(self, zone_id: str) -> Iterator[Zone]:
        """Change a zone's records and then what is served; a refusal undoes everything."""
        with self._lock:
            zone = self._zone(zone_id)
            before = dict(zone.records)
            try:
                yield zone
                self._publish(zone)
            except BaseException:
                zone.records = before
                raise
            for other in self._zones.values():
                if other is not zone and any(r["type"] == "CNAME" for r in other.records.values()):
                    self._publish(other)  # a flattened CNAME may name a host of the changed zone

    def _create(self, zone: Zone, body: Mapping[str, Any]) -> Record:
        if len(zone.records) >= zone.plan.quota(zone.created):
            raise Refusal(81045, "Record quota exceeded.")
        record = normalised(body, zone.name, zone.plan)
        zone.refuse_conflict(record, None)
        return self._store(zone, uuid.uuid4().hex, record, None)

    def _add_missing(self, zone: Zone, body: Mapping[str, Any]) -> bool:
        """Add a record; return False where there is an identical one."""
        try:
            self._create(zone, body)
        except Refusal as refusal:
            if refusal.code != identical().code:
                raise
            return False
        return True

    def _replace(self, zone: Zone, record_id: str, body: Mapping[str, Any]) -> Record:
        old = zone.changeable(record_id)
        record = normalised(body, zone.name, zone.plan)
        if record["type"] != old["type"]:
            raise type_fixed()
        zone.refuse_conflict(record, record_id)
        return self._store(zone, record_id, {**record, "meta": old["meta"]}, old)

    def _change(self, zone: Zone, record_id: str, body: Mapping[str, Any]) -> Record:
        return self._replace(zone, record_id, {**zone.changeable(record_id), **body})

    def _delete(self, zone: Zone, record_id: str) -> Record:
        zone.changeable(record_id)
        return zone.records.pop(record_id)

    def _store(self, zone: Zone, record_id: str, record: Record, old: Record | None) -> Record:
        """Keep a record, with its fields in the order in which the API answers them."""
        now = timestamp(self._clock())
        data = {"data": record.pop("data")} if "data" in record else {}
        stored: Record = {"id": record_id, **record}
        for text in ("comment", "tags"):
            value = stored.pop(text)
            stored[text] = value
            if value:
                unchanged = old is not None and old[text] == value
                stored[f"{text}_modified_on"] = (
                    old[f"{text}_modified_on"] if old is not None and unchanged else now
                )
        stored |= {**data, "created_on": old["created_on"] if old else now, "modified_on": now}
        zone.records[record_id] = stored
        return stored

    def _publish(self, zone: Zone) -> None:
        """Tell the name server what changed."""
        wanted = zone.to_serve(self._addresses)
        # First what goes: a CNAME cannot be added beside other records.
        for key in [key for key in zone.served if key not in wanted]:
            self._nameserver.replace(zone.name, *key, 0, [])
            del zone.served[key]
        for key, (ttl, contents) in wanted.items():
            if zone.served.get(key) != (ttl, contents):
                self._nameserver.replace(zone.name, *key, ttl, list(contents))
                zone.served[key] = (ttl, contents)

    def _addresses(self, name: str, kind: str) -> Sequence[str]:
        """Return the addresses of a name in this account, through its aliases."""
        records = [r for zone in self._zones.values() for r in zone.records.values()]
        for _ in range(ALIASES):
            own = [record for record in records if record["name"] == name]
            alias = next((r["content"] for r in own if r["type"] == "CNAME"), None)
            if alias is None:
                return [r["content"] for r in own if r["type"] == kind]
            name = alias
        return ()

    def _zone(self, zone_id: str) -> Zone:
        if zone_id in self._removed:
            raise out_of_reach()
        if zone_id not in self._zones:
            raise zone_missing()
        return self._zones[zone_id]

    def _body(self, zone: Zone, permissions: Collection[str]) -> Record:
        owner = {"id": self.id, "name": self.name}
        return zone.body(self._status(zone), NAME_SERVERS, owner, permissions)

    def _status(self, zone: Zone) -> str:
        """Return `pending` until the zone is delegated, `moved` when the delegation has left."""
        if zone.initializing:
            return "initializing"
        if self._nameserver.is_delegated(zone.name):
            zone.activated = zone.activated or self._clock()
            return "active"
        return "moved" if zone.activated else "pending"


def _with_shadow(zone: Zone, record: Record) -> Record:
    cut = zone.shadowed_by(record)
    return {**record, "meta": {**record["meta"], "shadowed_by": cut}} if cut else record


def _id(item: Mapping[str, Any]) -> str:
    return str(item.get("id", ""))
