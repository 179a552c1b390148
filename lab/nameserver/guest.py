"""Creates the DNS guest: Knot serves zones from the root down, unbound resolves for all guests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.guest import RESOLVER, Guest

IDENT, NAME = "dns", "ns.lab.example"
SERVERS = {"ns1.lab.example": "198.18.0.54", "ns2.lab.example": "198.18.0.55"}
"""The name servers of customers' zones, as Cloudflare's API answers, parent and apex list them."""
REGISTRY = {"a.registry.example": "198.18.0.56"}
"""Those of the root, top levels and reverse zones: a zone exists when it is delegated there."""
INSTANCES = {"customers": SERVERS, "registry": REGISTRY}
KEY = "lab."
TRUST_ANCHOR = "etc/unbound/lab.ds"
QUICK_FILE = "etc/unbound/unbound.conf.d/quick.conf"

KNOT = f"""
server:
    rundir: "/run/knot-INSTANCE"
    user: knot:knot
    listen: [LISTEN]
log:
  - target: stdout
    any: warning
database:
    storage: "/var/lib/knot/INSTANCE"
key:
  - id: {KEY}
    algorithm: hmac-sha256
    secret: SECRET
acl:
  - id: upd
    address: 198.18.0.0/15
    key: {KEY}
    action: [update, transfer]
policy:
  - id: lab
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: "/var/lib/knot/INSTANCE"
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
    module-config: "validator iterator"
    trust-anchor-file: "/{TRUST_ANCHOR}"
    aggressive-nsec: no
    root-hints: "/etc/unbound/lab.hints"
    local-zone: "example." nodefault
    local-zone: "test." nodefault
    local-zone: "18.198.in-addr.arpa." nodefault
    local-zone: "19.198.in-addr.arpa." nodefault
"""
"""It validates by the key of the lab's root. A denial concerns one name, as at large resolvers."""
QUICK = """server:
    cache-max-ttl: 2
    cache-max-negative-ttl: 1
"""
"""Changes appear at once, although zones have the times to live of the world."""

HINTS = "".join(
    f". 3600000 NS {name}.\n{name}. 3600000 A {address}\n" for name, address in REGISTRY.items()
)
UNIT = """[Service]
Type=notify
User=knot
RuntimeDirectory=knot-%i
AmbientCapabilities=CAP_NET_BIND_SERVICE
ExecStart=/usr/sbin/knotd -C /var/lib/knot/%i/confdb
[Install]
WantedBy=multi-user.target
"""

PREPARE = """
for instance; do
  mkdir -p "/var/lib/knot/$instance"
  knotc -C "/var/lib/knot/$instance/confdb" conf-import "/etc/knot/$instance.conf" >/dev/null
  systemctl enable -q "lab-knot@$instance"
done
chown -R knot:knot /var/lib/knot
rm -f /etc/unbound/unbound.conf.d/root-auto-trust-anchor-file.conf
"""
"""When its configuration database exists, knotd uses it, and zones can be added at run time. The
resolver starts when the root has keys."""


def make(directory: Path, layers: Sequence[Path], secret: str) -> Guest:
    """Create the guest, not booted yet; updates are signed by `secret` (base64)."""
    addresses = (*SERVERS.values(), *REGISTRY.values(), RESOLVER)
    guest = Guest(directory, IDENT, NAME, addresses, layers)
    guest.make()
    etc = guest.root / "etc"
    (etc / "systemd/system/lab-knot@.service").write_text(UNIT)
    for instance, servers in INSTANCES.items():
        listen = ", ".join(f"{address}@53" for address in servers.values())
        conf = KNOT.replace("INSTANCE", instance).replace("LISTEN", listen)
        (etc / f"knot/{instance}.conf").write_text(conf.replace("SECRET", secret))
    (etc / "unbound/unbound.conf.d/lab.conf").write_text(UNBOUND)
    (etc / "unbound/lab.hints").write_text(HINTS)
    (guest.root / QUICK_FILE).write_text(QUICK)
    guest.inside_disk(PREPARE, "sh", *INSTANCES)
    return guest
