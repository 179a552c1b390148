"""The part `resolver`: unbound, which resolves from the root down and validates.

Mailu's has the root of the Internet; this one has the lab's, whose key is another one at each start
of the lab. It trusts the key that the root has when the container starts, and says so.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

ROOT_SERVERS = Path("/etc/stand-in/root-servers.json")
"""Names and addresses of the lab's root servers, written when the image is made."""
DIRECTORY = Path("/run/unbound")
SUBNET = "192.168.203.0/24"
TIMEOUT, PAUSE = 2.0, 1.0

CONFIGURATION = """server:
    directory: "{directory}"
    chroot: ""
    username: "unbound"
    pidfile: ""
    logfile: ""
    use-syslog: no
    interface: 0.0.0.0
    do-ip6: no
    access-control: 127.0.0.0/8 allow
    access-control: {subnet} allow
    module-config: "validator iterator"
    root-hints: "{directory}/root.hints"
    trust-anchor-file: "{directory}/root.key"
    cache-min-ttl: 300
    hide-identity: yes
    hide-version: yes
    prefetch: yes
    local-zone: "example." nodefault
    local-zone: "test." nodefault
    local-zone: "18.198.in-addr.arpa." nodefault
    local-zone: "19.198.in-addr.arpa." nodefault
remote-control:
    control-enable: no
"""


def start(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Write its configuration, and become unbound."""
    servers: dict[str, str] = json.loads(ROOT_SERVERS.read_text())
    DIRECTORY.mkdir(exist_ok=True)
    (DIRECTORY / "root.hints").write_text(hints(servers))
    (DIRECTORY / "root.key").write_text(root_keys(servers))
    file = DIRECTORY / "unbound.conf"
    file.write_text(configuration(environ.get("SUBNET", SUBNET)))
    command = ["unbound", "-d", "-c", str(file), *arguments]
    os.execvpe(command[0], command, dict(environ))  # noqa: S606 - replaces this process


def configuration(subnet: str) -> str:
    """Return unbound's configuration; only the containers may ask."""
    return CONFIGURATION.format(directory=DIRECTORY, subnet=subnet)


def hints(servers: Mapping[str, str]) -> str:
    """Return root servers in the form of a zone file."""
    return "".join(
        f". 3600000 NS {name}.\n{name}. 3600000 A {address}\n" for name, address in servers.items()
    )


def root_keys(servers: Mapping[str, str]) -> str:
    """Return the keys of the root as it has them now; waits until a server answers."""
    query = dns.message.make_query(".", dns.rdatatype.DNSKEY, want_dnssec=True)
    while True:
        for address in servers.values():
            try:
                answer = dns.query.tcp(query, address, timeout=TIMEOUT)
            except (OSError, dns.exception.DNSException) as error:
                print(f"stand-in: root server {address}: {error or 'no answer'}", flush=True)
                continue
            keys = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.DNSKEY]
            if keys:
                print("stand-in: the lab's root key is trusted as it is now", flush=True)
                return "".join(f"{rrset.to_text()}\n" for rrset in keys)
            print(f"stand-in: root server {address} has no key", flush=True)
        time.sleep(PAUSE)  # nothing says when the root answers
