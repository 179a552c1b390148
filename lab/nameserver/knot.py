"""One running Knot in the DNS guest: its zones, their records and keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dns.dnssec
import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tsigkeyring
import dns.update

from kit.faults import Fault
from kit.waiting import wait_until
from lab.faults import FAILED
from lab.guest import Guest
from lab.nameserver.guest import KEY

NS_TTL = 86400
DENIAL_TTL = 1800
"""Minimum of every SOA record, as at Cloudflare."""
PAUSE_SECONDS = 0.02
TIMEOUT = 5.0
TEXT_CHUNK = 255
"""Maximum bytes of one string in a TXT record."""

PREFIX = """
knotc() {{ command knotc -s /run/knot-{instance}/knot.sock "$@"; }}
SERVERS='{servers}'
FIRST=${{SERVERS%% *}}
"""
CREATE = f"""
for zone; do echo "conf-set zone[$zone]"; done | {{ echo conf-begin; cat; echo conf-commit; }} |
  while read -r line; do knotc $line >/dev/null; done
for zone; do
  knotc zone-begin "$zone" >/dev/null
  knotc zone-set "$zone" @ {DENIAL_TTL} SOA $FIRST. hostmaster.$FIRST. 1 60 60 3600 {DENIAL_TTL} \
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
"""A zone that is configured again is loaded from the journal."""


class Knot:
    """One instance; its name servers have the same zones. Names are FQDN without final dot."""

    def __init__(
        self, guest: Guest, instance: str, servers: Mapping[str, str], secret: str
    ) -> None:
        self.servers = servers
        self.zones: set[str] = set()
        self._signed: set[str] = set()
        self._guest = guest
        self._instance = instance
        self._address = next(iter(servers.values()))
        self._keyring = dns.tsigkeyring.from_text({KEY: secret})

    def wait(self, seconds: float) -> None:
        """Wait until it can be controlled."""
        if not wait_until(self._controllable, seconds=seconds, longest_pause=PAUSE_SECONDS):
            raise failed(f"the instance {self._instance} does not start")

    def create(self, *zones: str) -> None:
        """Serve new zones."""
        self._run(CREATE, "sh", *zones)
        self.zones.update(zones)

    def delete(self, zone: str) -> None:
        """Stop serving a zone."""
        self._run(DELETE, zone)
        self.zones.discard(zone)
        self._signed.discard(zone)

    def sign(self, zone: str) -> str:
        """Sign a zone, unless it is; return its DS record's data."""
        if zone not in self._signed:
            self._run(SIGN, zone)
            self._signed.add(zone)
        question = dns.message.make_query(zone, "DNSKEY")
        keys: list[dns.rdata.Rdata] = []

        def is_signed() -> bool:
            answer = dns.query.tcp(question, self._address, TIMEOUT).answer
            keys.extend(item for rrset in answer for item in rrset)
            return bool(keys)

        if not wait_until(is_signed, seconds=TIMEOUT, longest_pause=PAUSE_SECONDS):
            raise failed(f"zone {zone} is not signed")
        return dns.dnssec.make_ds(dns.name.from_text(zone), keys[0], "SHA256").to_text()

    def expire(self, zone: str) -> None:
        """Lose the content of a zone: it is answered with SERVFAIL."""
        self._run(EXPIRE, zone)

    def load(self, zone: str) -> None:
        """Have the content of an expired zone back."""
        self._run(LOAD, zone)
        if zone in self._signed:
            self._run(SIGN, zone)

    def replace(self, zone: str, name: str, kind: str, ttl: int, rdata: Sequence[str]) -> None:
        """Replace the RRset (name, kind); no data removes it. TXT is unquoted."""
        update = dns.update.UpdateMessage(zone, keyring=self._keyring)
        owner = dns.name.from_text(name)
        update.delete(owner, kind)
        for text in rdata:
            update.add(owner, ttl, _rdata(kind, text))
        try:
            code = dns.query.tcp(update, self._address, timeout=TIMEOUT).rcode()
        except (OSError, dns.exception.DNSException) as error:
            raise failed(f"the instance {self._instance} does not answer: {error}") from error
        if code != dns.rcode.NOERROR:
            raise failed(f"zone {zone} refused {kind} of {name}: {dns.rcode.to_text(code)}")

    def _controllable(self) -> bool:
        try:
            return "Running" in self._run("knotc status 2>/dev/null || true")
        except Fault:
            return False

    def _run(self, script: str, *arguments: str) -> str:
        prefix = PREFIX.format(instance=self._instance, servers=" ".join(self.servers))
        return self._guest.inside(prefix + script, *arguments)


def failed(reason: str) -> Fault:
    """Return the fault of the name service."""
    return FAILED(part="the name server", reason=reason)


def _rdata(kind: str, text: str) -> dns.rdata.Rdata:
    if kind == "TXT":
        data = text.encode()
        chunks = [data[at : at + TEXT_CHUNK] for at in range(0, len(data), TEXT_CHUNK)] or [b""]
        quoted = ['"' + "".join(f"\\{byte:03d}" for byte in chunk) + '"' for chunk in chunks]
        text = " ".join(quoted)
    return dns.rdata.from_text(
        dns.rdataclass.IN, dns.rdatatype.from_text(kind), text, dns.name.root, relativize=False
    )
