"""A Cloudflare account: its zones and their records, mirrored to a name server."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lab.cloudflare.errors import Refusal, identical, record_missing, zone_missing
from lab.cloudflare.records import TXT_TOTAL, joined, normalised, plain_content
from lab.injection import Injection
from lab.ports import Nameserver

QUOTA = 200
"""Records of a zone on the free plan, since September 2024."""
DEFAULT_TTL = 300
"""What `automatic` means, in seconds."""


@dataclass
class Zone:
    """One zone and its records by id."""

    id: str
    name: str
    created_on: str
    records: dict[str, dict[str, Any]] = field(default_factory=dict)


class CloudflareAccount:
    """The account of one API token. Methods raise Refusal where the API would refuse."""

    def __init__(
        self,
        nameserver: Nameserver,
        token: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.token = token
        self.faults = Injection("lost_answer", "rate_limited", "server_error", "slow")
        self.unreadable: set[str] = set()
        """Names of zones whose look-up answers 500."""
        self._nameserver = nameserver
        self._clock = clock
        self._zones: dict[str, Zone] = {}
        self._lock = threading.RLock()

    def zones(self) -> list[dict[str, Any]]:
        """List all zones."""
        with self._lock:
            return [self._zone_body(zone) for zone in self._zones.values()]

    def create_zone(self, name: str) -> dict[str, Any]:
        """Add a zone; it is pending until the owner delegates it."""
        name = name.rstrip(".").lower()
        with self._lock:
            if any(zone.name == name for zone in self._zones.values()):
                raise Refusal(1061, f"{name} already exists.")
            zone = Zone(uuid.uuid4().hex, name, self._now())
            self._nameserver.create_zone(name)
            self._zones[zone.id] = zone
            return self._zone_body(zone)

    def register(self, name: str) -> None:
        """Add a zone if it is missing, and delegate it to our name server."""
        with self._lock:
            if all(zone.name != name for zone in self._zones.values()):
                self.create_zone(name)
            self._nameserver.delegate(name)

    def zone(self, zone_id: str) -> dict[str, Any]:
        """Return one zone."""
        with self._lock:
            return self._zone_body(self._zone(zone_id))

    def delete_zone(self, zone_id: str) -> None:
        """Remove a zone with its records."""
        with self._lock:
            zone = self._zone(zone_id)
            self._nameserver.delete_zone(zone.name)
            del self._zones[zone_id]

    def records(self, zone_id: str) -> list[dict[str, Any]]:
        """List a zone's records."""
        with self._lock:
            return list(self._zone(zone_id).records.values())

    def record(self, zone_id: str, record_id: str) -> dict[str, Any]:
        """Return one record."""
        with self._lock:
            return self._record(self._zone(zone_id), record_id)

    def create(self, zone_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Add a record."""
        with self._lock:
            zone = self._zone(zone_id)
            if len(zone.records) >= QUOTA:
                raise Refusal(81045, "Record quota exceeded.")
            record = normalised(body, zone.name)
            _refuse_conflict(zone, record, None)
            now = self._now()
            stored = {"id": uuid.uuid4().hex, **record, "created_on": now, "modified_on": now}
            zone.records[stored["id"]] = stored
            self._publish(zone, stored)
            return stored

    def replace(self, zone_id: str, record_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Replace a record."""
        with self._lock:
            zone = self._zone(zone_id)
            old = self._record(zone, record_id)
            record = normalised(body, zone.name)
            _refuse_conflict(zone, record, record_id)
            stored = {**record, "id": record_id, "created_on": old["created_on"]}
            stored["modified_on"] = self._now()
            zone.records[record_id] = stored
            self._publish(zone, old)
            self._publish(zone, stored)
            return stored

    def change(self, zone_id: str, record_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Overwrite some fields of a record."""
        with self._lock:
            return self.replace(zone_id, record_id, {**self.record(zone_id, record_id), **body})

    def delete(self, zone_id: str, record_id: str) -> None:
        """Remove a record."""
        with self._lock:
            zone = self._zone(zone_id)
            old = self._record(zone, record_id)
            del zone.records[record_id]
            self._publish(zone, old)

    def batch(self, zone_id: str, body: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        """Do deletes, patches, puts and posts in this order, all or nothing."""
        with self._lock:
            zone = self._zone(zone_id)
            before = dict(zone.records)
            done: dict[str, list[Any]] = {"deletes": [], "patches": [], "puts": [], "posts": []}
            try:
                for item in body.get("deletes") or []:
                    done["deletes"].append(self.record(zone_id, item["id"]))
                    self.delete(zone_id, item["id"])
                for item in body.get("patches") or []:
                    done["patches"].append(self.change(zone_id, item["id"], item))
                for item in body.get("puts") or []:
                    done["puts"].append(self.replace(zone_id, item["id"], item))
                for item in body.get("posts") or []:
                    done["posts"].append(self.create(zone_id, item))
            except Refusal:
                touched = {**zone.records, **before}
                zone.records = before
                for record in touched.values():
                    self._publish(zone, record)
                raise
            return done

    def _publish(self, zone: Zone, record: dict[str, Any]) -> None:
        """Publish the zone's records of this name and type at the name server."""
        rrset = [
            r
            for r in zone.records.values()
            if (r["name"], r["type"]) == (record["name"], record["type"])
        ]
        ttl = min((r["ttl"] for r in rrset), default=DEFAULT_TTL)
        self._nameserver.replace(
            zone.name,
            record["name"],
            record["type"],
            DEFAULT_TTL if ttl == 1 else ttl,
            [plain_content(r) for r in rrset],
        )

    def _zone(self, zone_id: str) -> Zone:
        if zone_id not in self._zones:
            raise zone_missing()
        return self._zones[zone_id]

    @staticmethod
    def _record(zone: Zone, record_id: str) -> dict[str, Any]:
        if record_id not in zone.records:
            raise record_missing()
        return zone.records[record_id]

    def _zone_body(self, zone: Zone) -> dict[str, Any]:
        active = self._nameserver.is_delegated(zone.name)
        return {
            "id": zone.id,
            "name": zone.name,
            "status": "active" if active else "pending",
            "paused": False,
            "type": "full",
            "development_mode": 0,
            "name_servers": ["ns1.lab.example", "ns2.lab.example"],
            "original_name_servers": None,
            "created_on": zone.created_on,
            "modified_on": zone.created_on,
            "plan": {"id": "free", "name": "Free Website", "legacy_id": "free"},
        }

    def _now(self) -> str:
        return self._clock().isoformat().replace("+00:00", "Z")


def _refuse_conflict(zone: Zone, record: dict[str, Any], own_id: str | None) -> None:
    """Refuse identical records, and other types beside a CNAME of the same name."""
    for other_id, other in zone.records.items():
        if other_id == own_id or other["name"] != record["name"]:
            continue
        kinds = {other["type"], record["type"]}
        if "CNAME" in kinds and other["type"] != record["type"]:
            code = 81053 if record["type"] == "CNAME" else 81054
            raise Refusal(code, f"A {other['type']} record with that host already exists.")
        if kinds == {"CNAME"}:
            raise Refusal(81053, "An A, AAAA, or CNAME record with that host already exists.")
        if "NS" in kinds and len(kinds) > 1 and record["name"] != zone.name:
            raise Refusal(81056, "NS records with that host already exist.")
        if other["type"] == record["type"] and _is_identical(other, record):
            raise identical()
    if record["type"] == "TXT":
        _refuse_too_much_text(zone, record, own_id)


def _refuse_too_much_text(zone: Zone, record: dict[str, Any], own_id: str | None) -> None:
    texts = [
        joined(str(other["content"]))
        for other_id, other in zone.records.items()
        if other_id != own_id and (other["name"], other["type"]) == (record["name"], "TXT")
    ]
    if sum(map(len, texts)) + len(joined(str(record["content"]))) > TXT_TOTAL:
        raise Refusal(9011, f"TXT records of one name are limited to {TXT_TOTAL} characters.")


def _is_identical(record: dict[str, Any], other: dict[str, Any]) -> bool:
    same_content = joined(str(record["content"])) == joined(str(other["content"]))
    return same_content and record.get("priority") == other.get("priority")
