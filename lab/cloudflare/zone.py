"""A zone: its records, its answer, and what its name servers serve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from publicsuffixlist import PublicSuffixList

from lab.cloudflare.errors import (
    Refusal,
    identical,
    not_registered,
    read_only,
    record_missing,
    subdomain,
)
from lab.cloudflare.limits import FREE, Plan
from lab.cloudflare.records import (
    AUTOMATIC_TTL,
    DEFAULT_TTL,
    LONGEST_NAME,
    NAME,
    TXT_TOTAL,
    is_identical,
    joined,
    plain_content,
    unicode_name,
)

Record = dict[str, Any]
RRset = tuple[int, tuple[str, ...]]
"""TTL and contents."""
Resolve = Callable[[str, str], Sequence[str]]
"""Returns the addresses of a host name by type, `A` or `AAAA`."""
EDGE = {"A": ("198.18.0.80",), "AAAA": ()}
"""What a proxied name resolves to: no host of the lab has it, as port 25 of the proxy is closed."""
CNAME_EXCLUDES = ("A", "AAAA", "CNAME")
SUFFIXES = PublicSuffixList()


@dataclass
class Zone:
    """One zone of the account, and its records by id, the oldest first."""

    id: str
    name: str
    created: datetime
    plan: Plan = FREE
    type: str = "full"
    paused: bool = False
    vanity_name_servers: list[str] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)
    initializing: bool = False
    activated: datetime | None = None
    modified: datetime | None = None
    served: dict[tuple[str, str], RRset] = field(default_factory=dict)
    """What the name server has been told, by name and type."""

    def record(self, record_id: str) -> Record:
        """Return a record; raises Refusal."""
        if record_id not in self.records:
            raise record_missing()
        return self.records[record_id]

    def changeable(self, record_id: str) -> Record:
        """Return a record that its owner may change; raises Refusal."""
        record = self.record(record_id)
        if record["meta"].get("read_only"):
            raise read_only()
        return record

    def refuse_conflict(self, record: Record, own_id: str | None) -> None:
        """Refuse what Cloudflare does not keep beside the other records of the name."""
        others = [
            other
            for other_id, other in self.records.items()
            if other_id != own_id and other["name"] == record["name"]
        ]
        for other in others:
            kind, existing = record["type"], other["type"]
            if kind == existing and is_identical(record, other):
                raise identical()
            if kind == "CNAME" and existing in CNAME_EXCLUDES:
                message = "An A, AAAA, or CNAME record with that host already exists."
                raise Refusal(81053, message)
            if existing == "CNAME" and kind in CNAME_EXCLUDES:
                raise Refusal(81054, "A CNAME record with that host already exists.")
            below = record["name"] != self.name
            if below and _meet("NS", CNAME_EXCLUDES, kind, existing):
                raise Refusal(81056, "NS records with that host already exist.")
        if record["type"] == "TXT":
            texts = [other for other in others if other["type"] == "TXT"]
            if sum(len(joined(text["content"])) for text in (*texts, record)) > TXT_TOTAL:
                message = f"TXT records of one name are limited to {TXT_TOTAL} characters."
                raise Refusal(9011, message)

    def shadowed_by(self, record: Record) -> str | None:
        """Return the name below the apex whose NS records hide this record, if any does.

        Glue, the addresses of a name server in the delegated part, is served.
        """
        cuts: dict[str, set[str]] = defaultdict(set)
        for other in self.records.values():
            if other["type"] == "NS" and other["name"] != self.name:
                cuts[other["name"]].add(other["content"])
        for cut, servers in cuts.items():
            at = record["name"] == cut and record["type"] not in ("NS", "DS")
            below = record["name"].endswith(f".{cut}")
            glue = record["type"] in ("A", "AAAA") and record["name"] in servers
            if (at or below) and not glue:
                return cut
        return None

    def to_serve(self, resolve: Resolve) -> dict[tuple[str, str], RRset]:
        """Return what the zone's name servers answer, without what they do not show."""
        rrsets: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        hiding = {r["name"] for r in self.records.values() if self._hides(r)}
        for record in self.records.values():
            name, kind, ttl = record["name"], record["type"], record["ttl"]
            hidden = name in hiding and not self._hides(record)
            at_apex = kind == "NS" and name == self.name
            if at_apex or hidden or self.shadowed_by(record):
                continue
            seconds = DEFAULT_TTL if ttl == AUTOMATIC_TTL else ttl
            for shown, content in self._shown(record, resolve):
                rrsets[name, shown].append((seconds, content))
        return {
            key: (min(ttl for ttl, _ in values), tuple(content for _, content in values))
            for key, values in rrsets.items()
        }

    def body(
        self,
        status: str,
        name_servers: Sequence[str],
        account: Record,
        permissions: Collection[str],
    ) -> Record:
        """Return the zone as the API answers it."""
        return {
            "id": self.id,
            "name": unicode_name(self.name),
            "status": status,
            "paused": self.paused,
            "type": self.type,
            "development_mode": 0,
            "name_servers": list(name_servers),
            "original_name_servers": None,
            "original_registrar": None,
            "original_dnshost": None,
            "modified_on": timestamp(self.modified or self.created),
            "created_on": timestamp(self.created),
            "activated_on": timestamp(self.activated) if self.activated else None,
            "vanity_name_servers": self.vanity_name_servers,
            "vanity_name_servers_ips": None,
            "meta": {
                "step": 4,
                "custom_certificate_quota": 0,
                "page_rule_quota": 3,
                "phishing_detected": False,
            },
            "owner": {"id": None, "type": "user", "email": None},
            "account": account,
            "tenant": {"id": None, "name": None},
            "tenant_unit": {"id": None},
            "permissions": sorted(permissions),
            "plan": {
                "id": self.plan.id,
                "name": self.plan.name,
                "price": self.plan.price,
                "currency": "USD",
                "frequency": "",
                "is_subscribed": False,
                "can_subscribe": False,
                "legacy_id": self.plan.legacy_id,
                "legacy_discount": False,
                "externally_managed": False,
            },
        }

    def _is_flattened(self, record: Record) -> bool:
        """A CNAME at the apex is always answered by addresses, and so is a proxied one."""
        asked = record["settings"].get("flatten_cname")
        return record["type"] == "CNAME" and bool(
            record["name"] == self.name or record["proxied"] or asked
        )

    def _hides(self, record: Record) -> bool:
        """A CNAME that is answered as such hides the other records of its name."""
        return record["type"] == "CNAME" and not self._is_flattened(record)

    def _shown(self, record: Record, resolve: Resolve) -> Iterable[tuple[str, str]]:
        """Yield (type, content) as the name server answers the record."""
        if record["proxied"]:
            for kind, addresses in EDGE.items():
                yield from ((kind, address) for address in addresses)
        elif self._is_flattened(record):
            for kind in ("A", "AAAA"):
                yield from ((kind, address) for address in resolve(record["content"], kind))
        else:
            yield record["type"], plain_content(record)


def refuse_name(name: str, plan: Plan) -> None:
    """Refuse what cannot be a zone: other than a registered domain, on most plans."""
    if not NAME.fullmatch(name) or name.startswith("*.") or len(name) > LONGEST_NAME:
        raise not_registered(name)
    registered = SUFFIXES.privatesuffix(name)
    if registered is None:
        raise not_registered(name)
    if registered != name and not plan.subdomains:
        raise subdomain()


def timestamp(moment: datetime) -> str:
    """Return a time as RFC 3339 has it, in microseconds."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _meet(one: str, group: Collection[str], *kinds: str) -> bool:
    first, second = kinds
    return (first == one and second in group) or (second == one and first in group)
