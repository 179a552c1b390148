"""Creates the DNS guest: Knot serves zones from the root down, unbound resolves for all guests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.guest import RESOLVER, Guest

AUTHORITATIVE = "198.18.0.54"
NAME = "ns.lab.example"
KEY = "lab."
TTL = 60

KNOT = f"""
server:
    rundir: "/run/knot"
    user: knot:knot
    listen: {AUTHORITATIVE}@53
log:
  - target: stdout
    any: warning
database:
    storage: "/var/lib/knot"
key:
  - id: {KEY}
    algorithm: hmac-sha256
    secret: SECRET
acl:
  - id: upd
    address: 198.18.0.0/15
    key: {KEY}
    action: [update, transfer]
template:
  - id: default
    storage: "/var/lib/knot"
    acl: upd
    zonefile-load: none
    zonefile-sync: -1
    journal-content: all
"""

UNBOUND = f"""
server:
    interface: {RESOLVER}
    outgoing-interface: {RESOLVER}
    access-control: 198.18.0.0/15 allow
    do-ip6: no
    module-config: "iterator"
    root-hints: "/etc/unbound/lab.hints"
    local-zone: "example." nodefault
    local-zone: "test." nodefault
    local-zone: "18.198.in-addr.arpa." nodefault
    local-zone: "19.198.in-addr.arpa." nodefault
    cache-max-ttl: 2
    cache-max-negative-ttl: 1
"""
"""No validation (our root is unsigned), and short cache times, so that changes appear at once."""

HINTS = f". 3600000 NS {NAME}.\n{NAME}. 3600000 A {AUTHORITATIVE}\n"

PREPARE = """
knotc -C /var/lib/knot/confdb conf-import /etc/knot/knot.conf >/dev/null
chown -R knot:knot /var/lib/knot
rm -f /etc/unbound/unbound.conf.d/root-auto-trust-anchor-file.conf
systemctl enable -q knot unbound
"""
"""When its configuration database exists, knotd uses it, and zones can be added at run time."""


def make(directory: Path, layers: Sequence[Path], secret: str) -> Guest:
    """Create the guest, not booted yet; updates are signed by `secret` (base64)."""
    guest = Guest(directory, "dns", NAME, (AUTHORITATIVE, RESOLVER), layers)
    guest.make()
    etc = guest.root / "etc"
    (etc / "knot/knot.conf").write_text(KNOT.replace("SECRET", secret))
    (etc / "unbound/unbound.conf.d/lab.conf").write_text(UNBOUND)
    (etc / "unbound/lab.hints").write_text(HINTS)
    guest.inside_disk(PREPARE)
    return guest
