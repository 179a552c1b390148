"""The authoritative server as both emulators use it: zones, delegations, records and pointers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial

import dns.dnssec
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
from lab.hostwinds.agenda import Agenda
from lab.nameserver.guest import (
    FIRST,
    KEY,
    QUICK,
    QUICK_FILE,
    SERVERS,
    TRUST_ANCHOR,
)
from lab.ports import Rule

ROOT = "."
TOP = "example"
"""The top level of every name in the lab; others are created when a zone needs one."""
SIGNED = "example.org"
"""A signed zone: Mailu's resolver waits until this name validates."""
REVERSE = ("18.198.in-addr.arpa", "19.198.in-addr.arpa")
NS_TTL = 86400
DENIAL_TTL = 1800
"""Minimum of every SOA record, as at Cloudflare."""
TTL = 60
DEADLINE = 30.0
PAUSE_SECONDS = 0.02
TIMEOUT = 5.0
TEXT_CHUNK = 255
"""Maximum bytes of one string in a TXT record."""
AUTHORITATIVE = SERVERS[FIRST]

CREATE = f"""
for zone; do echo "conf-set zone[$zone]"; done | {{ echo conf-begin; cat; echo conf-commit; }} |
  while read -r line; do knotc $line >/dev/null; done
for zone; do
  knotc zone-begin "$zone" >/dev/null
  knotc zone-set "$zone" @ {DENIAL_TTL} SOA {FIRST}. hostmaster.{TOP}. 1 60 60 3600 {DENIAL_TTL} \
    >/dev/null
  for server in $SERVERS; do knotc zone-set "$zone" @ {NS_TTL} NS $server. >/dev/null; done
  knotc zone-commit "$zone" >/dev/null
done
"""
DELETE = """
knotc conf-begin >/dev/null; knotc conf-unset "zone[$0]" >/dev/null; knotc conf-commit >/dev/null
knotc -f zone-purge +orphan "$0" >/dev/null
"""
SIGN = """
knotc conf-begin >/dev/null
knotc conf-set "zone[$0].dnssec-policy" lab >/dev/null
knotc conf-set "zone[$0].dnssec-signing" on >/dev/null
knotc conf-commit >/dev/null
knotc zone-sign "$0" >/dev/null
"""
EXPIRE = """
knotc -f zone-purge +expire "$0" >/dev/null
"""
LOAD = """
knotc conf-begin >/dev/null; knotc conf-unset "zone[$0]" >/dev/null; knotc conf-commit >/dev/null
knotc conf-begin >/dev/null; knotc conf-set "zone[$0]" >/dev/null; knotc conf-commit >/dev/null
"""
"""A zone that is configured anew is loaded from the journal."""


class KnotNameserver:
    """Implements `lab.ports.Nameserver` with the DNS guest."""

    def __init__(self, guest: Guest, secret: str) -> None:
        self._guest = guest
        self._keyring = dns.tsigkeyring.from_text({KEY: secret})
        self._zones: set[str] = set()
        self._delegated: set[str] = set()
        self._signed: set[str] = set()
        self._lock = threading.RLock()
        self._changes = Agenda(time.monotonic)
        self.lag: dict[str, float] = {}
        """Seconds from a change to its answer, by zone."""

    def start(self) -> None:
        """Boot, create all zones from the root down, and wait until the resolver answers."""
        self._changes.start()
        self._guest.boot()
        deadline = time.monotonic() + DEADLINE
        if not wait_until(self._controllable, seconds=DEADLINE, longest_pause=PAUSE_SECONDS):
            raise _failed("the authoritative name server does not start")
        self._make(ROOT, TOP, *REVERSE)
        for zone in (ROOT, TOP):
            for name, address in SERVERS.items():
                self.replace(zone, name, "A", TTL, [address])
        for zone in (TOP, *REVERSE):
            self.delegate(zone)
        self.create_zone(SIGNED)
        self.delegate(SIGNED)
        self.sign(SIGNED)
        self.trust_anchor = f"{ROOT} IN DS {self.sign(ROOT)}"
        self._guest.inside(
            'cat > "/$0"; systemctl start unbound', TRUST_ANCHOR, stdin=self.trust_anchor + "\n"
        )
        remaining = deadline - time.monotonic()
        if not wait_until(
            lambda: self._resolves(FIRST), seconds=remaining, longest_pause=PAUSE_SECONDS
        ):
            raise _failed("the resolver does not answer")

    def close(self) -> None:
        """End the guest."""
        self._changes.stop()
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
            self.replace(self._parent(zone), zone, "NS", NS_TTL, _servers(zone))
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
            if zone in self._zones:
                self._guest.inside(DELETE, zone)
                self._zones.discard(zone)

    def sign(self, zone: str) -> str:
        """Sign a zone and the zones above it (RFC 4035); return its DS record's data."""
        with self._lock:
            if zone not in self._signed:
                self._guest.inside(SIGN, zone)
                self._signed.add(zone)
            ds = self._ds(zone)
            if zone != ROOT:
                self.sign(self._parent(zone))
                self.replace(self._parent(zone), zone, "DS", TTL, [ds])
            return ds

    def replace(self, zone: str, name: str, kind: str, ttl: int, rdata: Sequence[str]) -> None:
        """Replace the RRset (name, kind); no data removes it. TXT is unquoted.

        Where the zone lags, it is served that much later.
        """
        update = partial(self._replace, zone, name, kind, ttl, list(rdata))
        self._changes.after(self.lag.get(zone, 0), update)

    def _replace(self, zone: str, name: str, kind: str, ttl: int, rdata: Sequence[str]) -> None:
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
        self._guest.inside(EXPIRE, zone)

    def load(self, zone: str) -> None:
        """Have the content of an expired zone back."""
        self._guest.inside(LOAD, zone)
        if zone in self._signed:
            self._guest.inside(SIGN, zone)

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

    def set_ptr(self, address: str, name: str | None) -> None:
        """Set or remove the PTR of an IPv4 address."""
        owner = dns.reversename.from_address(address).to_text(omit_final_dot=True)
        zone = next(zone for zone in REVERSE if owner.endswith(f".{zone}"))
        self.replace(zone, owner, "PTR", TTL, [] if name is None else [name])

    def _make(self, *zones: str) -> None:
        servers = " ".join(_servers(zones[0]))
        self._guest.inside(f"SERVERS='{servers}'\n{CREATE}", "sh", *zones)
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

    def _ds(self, zone: str) -> str:
        """Wait for the key of a zone that is being signed; return its digest."""
        question = dns.message.make_query(zone, "DNSKEY")
        keys: list[dns.rdata.Rdata] = []

        def is_signed() -> bool:
            answer = dns.query.tcp(question, AUTHORITATIVE, TIMEOUT).answer
            keys.extend(item for rrset in answer for item in rrset)
            return bool(keys)

        if not wait_until(is_signed, seconds=TIMEOUT, longest_pause=PAUSE_SECONDS):
            raise _failed(f"zone {zone} is not signed")
        return dns.dnssec.make_ds(dns.name.from_text(zone), keys[0], "SHA256").to_text()

    def _resolves(self, name: str) -> bool:
        try:
            answer = dns.query.udp(dns.message.make_query(name, "A"), RESOLVER, timeout=0.3)
        except (OSError, dns.exception.DNSException):
            return False
        return bool(answer.answer)


def _servers(zone: str) -> list[str]:
    """Return the name servers of a zone: root, top levels and reverse zones have the first one."""
    is_parent = zone in (ROOT, *REVERSE) or "." not in zone
    return [FIRST] if is_parent else list(SERVERS)


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
