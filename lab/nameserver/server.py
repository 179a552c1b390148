"""The name service as both emulators use it: zones, delegations, records and pointers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial

import dns.exception
import dns.message
import dns.query
import dns.reversename

from kit.waiting import wait_until
from lab.agenda import Agenda
from lab.guest import RESOLVER, Guest
from lab.nameserver.guest import QUICK, QUICK_FILE, REGISTRY, SERVERS, TRUST_ANCHOR
from lab.nameserver.knot import NS_TTL, PAUSE_SECONDS, Knot, failed
from lab.ports import Rule

ROOT = "."
TOP = "example"
"""The top level of every name in the lab; others are created when a zone needs one."""
SIGNED = "example.org"
"""A signed zone: Mailu's resolver, and each run on a host, wait until this name validates."""
BROKEN = "dnssec-failed.org"
"""A zone whose DS record fits no key, as in the world: each host proves by it that it validates."""
REVERSE = ("18.198.in-addr.arpa", "19.198.in-addr.arpa")
TTL = 60
WITHOUT_MAIL = "example.com"
"""A domain that takes no mail (RFC 7505), as in the world: by it each host is tried as a relay."""
FOREIGN_DS = f"4711 13 2 {'00' * 32}"
"""Fits no key."""
DEADLINE = 30.0


class KnotNameserver:
    """Implements `lab.ports.Nameserver` with the DNS guest."""

    def __init__(self, guest: Guest, secret: str) -> None:
        self._guest = guest
        self._customers = Knot(guest, "customers", SERVERS, secret)
        self._registry = Knot(guest, "registry", REGISTRY, secret)
        self._delegated: set[str] = set()
        self._lock = threading.RLock()
        self._changes = Agenda(time.monotonic)
        self._lag: dict[str, float] = {}
        self._alias_pointers = False

    def start(self) -> None:
        """Boot, create all zones from the root down, and wait until the resolver answers."""
        self._changes.start()
        self._guest.boot()
        deadline = time.monotonic() + DEADLINE
        for knot in (self._customers, self._registry):
            knot.wait(DEADLINE)
        self._registry.create(ROOT, TOP, *REVERSE)
        for name, address in REGISTRY.items():
            self.replace(ROOT, name, "A", TTL, [address])
        for name, address in (REGISTRY | SERVERS).items():
            self.replace(TOP, name, "A", TTL, [address])
        for zone in (TOP, *REVERSE):
            self.delegate(zone)
        for zone in (SIGNED, BROKEN):
            self.create_zone(zone)
            self.delegate(zone)
            self.sign(zone)
        self.set_ds(BROKEN, [FOREIGN_DS])
        self.create_zone(WITHOUT_MAIL)
        self.delegate(WITHOUT_MAIL)
        self.replace(WITHOUT_MAIL, WITHOUT_MAIL, "MX", TTL, ["0 ."])
        self.trust_anchor = f"{ROOT} IN DS {self.sign(ROOT)}"
        self.replace(SIGNED, SIGNED, "A", TTL, [*REGISTRY.values()])  # it is asked for an address
        self._guest.inside(
            'cat > "/$0"; systemctl start unbound', TRUST_ANCHOR, stdin=self.trust_anchor + "\n"
        )
        remaining = deadline - time.monotonic()
        if not wait_until(
            lambda: all(map(_resolves, SERVERS)), seconds=remaining, longest_pause=PAUSE_SECONDS
        ):
            raise failed("the resolver does not answer")

    def close(self) -> None:
        """End the guest."""
        self._changes.stop()
        self._guest.destroy()

    def has(self, zone: str) -> bool:
        """Tell whether this is a zone of a customer."""
        return zone in self._customers.zones

    def create_zone(self, zone: str) -> None:
        """Serve a zone, not yet delegated."""
        with self._lock:
            top = zone.rpartition(".")[2]
            if top not in self._registry.zones:
                self._registry.create(top)
                self.delegate(top)
            if zone not in self._of(zone).zones:
                self._of(zone).create(zone)

    def delegate(self, zone: str) -> None:
        """Delegate the zone to us, as its owner does at the registrar."""
        with self._lock:
            self.replace(self._parent(zone), zone, "NS", NS_TTL, list(self._of(zone).servers))
            self._delegated.add(zone)

    def is_delegated(self, zone: str) -> bool:
        """Tell whether the zone is delegated to us."""
        with self._lock:
            return zone in self._delegated

    def undelegate(self, zone: str) -> None:
        """Remove the delegation of a zone."""
        with self._lock:
            for kind in ("NS", "DS"):
                self.replace(self._parent(zone), zone, kind, TTL, [])
            self._delegated.discard(zone)

    def delete_zone(self, zone: str) -> None:
        """Stop serving a zone and remove its delegation."""
        with self._lock:
            self.undelegate(zone)
            if zone in self._of(zone).zones:
                self._of(zone).delete(zone)

    def sign(self, zone: str) -> str:
        """Sign a zone and the zones above it (RFC 4035); return its DS record's data."""
        with self._lock:
            ds = self._of(zone).sign(zone)
            if zone != ROOT:
                self.sign(self._parent(zone))
                self.replace(self._parent(zone), zone, "DS", TTL, [ds])
            return ds

    def replace(self, zone: str, name: str, kind: str, ttl: int, rdata: Sequence[str]) -> None:
        """Replace the RRset (name, kind); no data removes it. TXT is unquoted.

        Where the zone lags, it is served that much later.
        """
        update = partial(self._of(zone).replace, zone, name, kind, ttl, list(rdata))
        self._changes.after(self._lag.get(zone, 0), update)

    def set_lag(self, zone: str, seconds: float) -> None:
        """Serve changes of a zone so much later from now on.

        Earlier changes are served at once, so that none is overtaken by a later one.
        """
        self._lag[zone] = seconds
        self._changes.run_all()

    def set_servers(self, zone: str, names: Sequence[str]) -> None:
        """Replace the name servers of a zone, in the zone and in its parent."""
        with self._lock:
            for holder in (self._parent(zone), zone):
                self.replace(holder, zone, "NS", NS_TTL, names)

    def set_ds(self, zone: str, data: Sequence[str]) -> None:
        """Replace a zone's DS records in its parent, which is signed for it."""
        with self._lock:
            parent = self._parent(zone)
            self.sign(parent)
            self.replace(parent, zone, "DS", TTL, data)

    def expire(self, zone: str) -> None:
        """Lose the content of a zone: it is answered with SERVFAIL."""
        self._of(zone).expire(zone)

    def load(self, zone: str) -> None:
        """Have the content of an expired zone back."""
        self._of(zone).load(zone)

    def detach(self, address: str) -> None:
        """Let the server at an address disappear."""
        self._guest.detach(address)

    def attach(self, address: str) -> None:
        """Let the server at an address answer again."""
        self._guest.attach(address)

    def close_tcp(self) -> None:
        """Let no TCP connection to any server pass."""
        everything = [Rule("egress", None, 0, 65535)]
        self._guest.protect([Rule("ingress", "udp", 53, 53), *everything])

    def open_tcp(self) -> None:
        """Let everything pass."""
        self._guest.expose()

    def keep_answers(self, keep: bool) -> None:
        """Let the resolver keep answers as long as their times to live say, or briefly."""
        script = 'cat > "/$0"; systemctl restart unbound'
        self._guest.inside(script, QUICK_FILE, stdin="" if keep else QUICK)

    def alias_pointers(self, alias: bool) -> None:
        """Set reverse names behind an alias from now on, as for a part of a network (RFC 2317)."""
        self._alias_pointers = alias

    def set_ptr(self, address: str, name: str | None) -> None:
        """Set or remove the PTR of an IPv4 address."""
        owner = dns.reversename.from_address(address).to_text(omit_final_dot=True)
        zone = next(zone for zone in REVERSE if owner.endswith(f".{zone}"))
        last, _, network = owner.partition(".")
        behind = f"{last}.0-255.{network}"
        pointers = [] if name is None else [name]
        # First what goes: a CNAME and another record of its name exclude each other.
        if self._alias_pointers:
            self.replace(zone, owner, "PTR", TTL, [])
            self.replace(zone, owner, "CNAME", TTL, [behind])
            self.replace(zone, behind, "PTR", TTL, pointers)
        else:
            self.replace(zone, owner, "CNAME", TTL, [])
            self.replace(zone, owner, "PTR", TTL, pointers)

    def _of(self, zone: str) -> Knot:
        """Return what serves a zone: the registry has the root, top levels and reverse zones."""
        is_registered = zone in (ROOT, *REVERSE) or "." not in zone
        return self._registry if is_registered else self._customers

    def _parent(self, zone: str) -> str:
        """Return the closest parent zone that we serve, at least the root."""
        rest = zone
        while rest := rest.partition(".")[2]:
            if rest in self._registry.zones | self._customers.zones:
                return rest
        return ROOT


def _resolves(name: str) -> bool:
    try:
        answer = dns.query.udp(dns.message.make_query(name, "A"), RESOLVER, timeout=0.3)
    except (OSError, dns.exception.DNSException):
        return False
    return bool(answer.answer)
