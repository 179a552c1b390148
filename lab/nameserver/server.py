"""The authoritative server as both emulators use it: zones, delegations, records and pointers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.tsigkeyring
import dns.update

from kit.faults import Fault
from kit.waiting import wait_until
from lab.faults import FAILED
from lab.guest import RESOLVER, Guest
from lab.nameserver.guest import AUTHORITATIVE, KEY, NAME, TTL

ROOT = "."
TOP = "example"
"""The top level of every name in the lab; others are created when a zone needs one."""
REVERSE = ("18.198.in-addr.arpa", "19.198.in-addr.arpa")
DEADLINE = 30.0
PAUSE_SECONDS = 0.02
TIMEOUT = 5.0
TEXT_CHUNK = 255
"""Maximum bytes of one string in a TXT record."""

CREATE = f"""
for zone; do echo "conf-set zone[$zone]"; done | {{ echo conf-begin; cat; echo conf-commit; }} |
  while read -r line; do knotc $line >/dev/null; done
for zone; do
  knotc zone-begin "$zone" >/dev/null
  knotc zone-set "$zone" @ {TTL} SOA {NAME}. hostmaster.{NAME}. 1 60 60 3600 1 >/dev/null
  knotc zone-set "$zone" @ {TTL} NS {NAME}. >/dev/null
  knotc zone-commit "$zone" >/dev/null
done
"""
DELETE = """
knotc conf-begin >/dev/null; knotc conf-unset "zone[$0]" >/dev/null; knotc conf-commit >/dev/null
knotc -f zone-purge +orphan "$0" >/dev/null
"""


class KnotNameserver:
    """Implements `lab.ports.Nameserver` with the DNS guest."""

    def __init__(self, guest: Guest, secret: str) -> None:
        self._guest = guest
        self._keyring = dns.tsigkeyring.from_text({KEY: secret})
        self._zones: set[str] = set()
        self._delegated: set[str] = set()
        self._lock = threading.RLock()

    def start(self) -> None:
        """Boot, create all zones from the root down, and wait until the resolver answers."""
        self._guest.boot()
        deadline = time.monotonic() + DEADLINE
        if not wait_until(self._controllable, seconds=DEADLINE, longest_pause=PAUSE_SECONDS):
            raise _failed("the authoritative name server does not start")
        self._make(ROOT, TOP, *REVERSE)
        self.replace(ROOT, NAME, "A", TTL, [AUTHORITATIVE])
        self.replace(TOP, NAME, "A", TTL, [AUTHORITATIVE])
        for zone in (TOP, *REVERSE):
            self.delegate(zone)
        remaining = deadline - time.monotonic()
        if not wait_until(
            lambda: self._resolves(NAME), seconds=remaining, longest_pause=PAUSE_SECONDS
        ):
            raise _failed("the resolver does not answer")

    def close(self) -> None:
        """End the guest."""
        self._guest.destroy()

    def create_zone(self, zone: str) -> None:
        """Serve a zone, not yet delegated."""
        with self._lock:
            top = zone.rpartition(".")[2]
            if top != zone and top not in self._zones:
                self._make(top)
                self.delegate(top)
            if zone not in self._zones:
                self._make(zone)

    def delegate(self, zone: str) -> None:
        """Delegate the zone to us, as its owner does at the registrar."""
        with self._lock:
            self.replace(self._parent(zone), zone, "NS", TTL, [NAME])
            self._delegated.add(zone)

    def is_delegated(self, zone: str) -> bool:
        """Tell whether the zone is delegated to us."""
        with self._lock:
            return zone in self._delegated

    def delete_zone(self, zone: str) -> None:
        """Stop serving a zone and remove its delegation."""
        with self._lock:
            self.replace(self._parent(zone), zone, "NS", TTL, [])
            self._delegated.discard(zone)
            if zone in self._zones:
                self._guest.inside(DELETE, zone)
                self._zones.discard(zone)

    def replace(self, zone: str, name: str, kind: str, ttl: int, rdata: Sequence[str]) -> None:
        """Replace the RRset (name, kind); no data removes it. TXT is unquoted."""
        update = dns.update.UpdateMessage(zone, keyring=self._keyring)
        owner = dns.name.from_text(name)
        update.delete(owner, kind)
        for text in rdata:
            update.add(owner, ttl, _rdata(kind, text))
        try:
            code = dns.query.tcp(update, AUTHORITATIVE, timeout=TIMEOUT).rcode()
        except (OSError, dns.exception.DNSException) as error:
            raise _failed(f"the authoritative name server does not answer: {error}") from error
        if code != dns.rcode.NOERROR:
            raise _failed(f"zone {zone} refused {kind} of {name}: {dns.rcode.to_text(code)}")

    def set_ptr(self, address: str, name: str | None) -> None:
        """Set or remove the PTR of an IPv4 address."""
        owner = dns.reversename.from_address(address).to_text(omit_final_dot=True)
        zone = next(zone for zone in REVERSE if owner.endswith(f".{zone}"))
        self.replace(zone, owner, "PTR", TTL, [] if name is None else [name])

    def _make(self, *zones: str) -> None:
        self._guest.inside(CREATE, "sh", *zones)
        self._zones.update(zones)

    def _parent(self, zone: str) -> str:
        """Return the closest parent zone that we serve, at least the root."""
        rest = zone
        while rest := rest.partition(".")[2]:
            if rest in self._zones:
                return rest
        return ROOT

    def _controllable(self) -> bool:
        try:
            return "Running" in self._guest.inside("knotc status 2>/dev/null || true")
        except Fault:
            return False

    def _resolves(self, name: str) -> bool:
        try:
            answer = dns.query.udp(dns.message.make_query(name, "A"), RESOLVER, timeout=0.3)
        except (OSError, dns.exception.DNSException):
            return False
        return bool(answer.answer)


def _rdata(kind: str, text: str) -> dns.rdata.Rdata:
    if kind == "TXT":
        data = text.encode()
        chunks = [data[at : at + TEXT_CHUNK] for at in range(0, len(data), TEXT_CHUNK)] or [b""]
        quoted = ['"' + "".join(f"\\{byte:03d}" for byte in chunk) + '"' for chunk in chunks]
        text = " ".join(quoted)
    return dns.rdata.from_text(
        dns.rdataclass.IN, dns.rdatatype.from_text(kind), text, dns.name.root, relativize=False
    )


def _failed(reason: str) -> Fault:
    return FAILED(part="the name server", reason=reason)
