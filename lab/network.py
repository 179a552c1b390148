"""The lab's own network: a bridge in a namespace of its own, one port per guest, nothing beyond."""

from __future__ import annotations

import ctypes
import hashlib
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lab.commands import attempt, run

PREFIX = "lab-"
"""Prefix of every namespace of the lab."""
NAMES = Path("/run/netns")
"""Where ip keeps the names of namespaces."""
NAMESPACE = f"{PREFIX}net"
BRIDGE = "labbr0"
MACHINE_LINK = "lvmachine"
"""The machine's one link into the lab, and its other end at the bridge."""
MACHINE = "198.18.0.1"
"""The machine's address: the source of connections of the sender and of verification."""
SERVICES = "198.18.0.2"
"""Address of services for guests (packages), inside: the machine's firewall does not apply."""
CLONE_NEWNET = 0x40000000
NETWORK = "198.18.0.0/15"
LENGTH = 15

RULES = f"""
table bridge lab {{
  set bought {{ type ifname . ipv4_addr; }}
  chain ports {{
    type filter hook prerouting priority 0; policy accept;
    iifname "{MACHINE_LINK}" accept
    ether type != {{ ip, arp }} drop
    iifname . ip saddr != @bought counter drop
    iifname . arp saddr ip != @bought counter drop
    ip daddr != {NETWORK} counter drop
  }}
}}
"""
"""A guest sends only from addresses that it bought, and only to the lab."""


def up() -> None:
    """Create the bridge and the machine's link to it."""
    run("ip", "netns", "add", NAMESPACE)
    run("ip", "-n", NAMESPACE, "link", "add", BRIDGE, "type", "bridge")
    run("ip", "-n", NAMESPACE, "addr", "add", f"{SERVICES}/{LENGTH}", "dev", BRIDGE)
    run("ip", "-n", NAMESPACE, "link", "set", BRIDGE, "up")
    run("ip", "netns", "exec", NAMESPACE, "nft", "-f", "-", stdin=RULES)
    ends = ("type", "veth", "peer", "name", MACHINE_LINK, "netns", NAMESPACE)
    run("ip", "link", "add", MACHINE_LINK, *ends)
    run("ip", "-n", NAMESPACE, "link", "set", MACHINE_LINK, "master", BRIDGE, "up")
    run("ip", "addr", "add", f"{MACHINE}/{LENGTH}", "dev", MACHINE_LINK)
    run("ip", "link", "set", MACHINE_LINK, "up")


def listener(port: int) -> socket.socket:
    """Return a socket of this process that listens at SERVICES, inside the lab's namespace."""

    def make() -> socket.socket:
        with (NAMES / NAMESPACE).open() as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "the lab's namespace cannot be entered")
        return socket.create_server((SERVICES, port))

    with ThreadPoolExecutor(
        max_workers=1
    ) as pool:  # only its thread enters the namespace, and ends
        return pool.submit(make).result()


def down() -> None:
    """Remove every namespace and link of any lab; idempotent."""
    attempt("ip", "link", "del", MACHINE_LINK)
    for name in namespaces():
        attempt("ip", "netns", "del", name)
    if NAMES.exists() and not any(NAMES.iterdir()):
        attempt("umount", str(NAMES))  # ip mounts it at its first use, and would again
        with suppress(OSError):
            NAMES.rmdir()  # unless another process has named one meanwhile


def conflicting_route() -> str | None:
    """Return a route of another program into the lab's network, as some VPN clients create them."""
    for line in run("ip", "-4", "route", "show", "table", "all", "root", NETWORK).splitlines():
        if f"dev {MACHINE_LINK} " not in f"{line} ":
            return line.strip()
    return None


def namespaces() -> list[str]:
    """Return the names of the lab's namespaces."""
    return sorted(path.name for path in NAMES.glob(f"{PREFIX}*"))


def links() -> list[str]:
    """Return the lab's links on this machine."""
    return [name for _, name in socket.if_nameindex() if name == MACHINE_LINK]


def connect(guest: str, addresses: Sequence[str]) -> str:
    """Give a guest a fresh namespace with all its addresses; return the namespace's name."""
    namespace, port = f"{PREFIX}{guest}", _port(guest)
    run("ip", "netns", "add", namespace)
    ends = ("type", "veth", "peer", "name", "eth0", "address", _mac(guest), "netns", namespace)
    run("ip", "-n", NAMESPACE, "link", "add", port, *ends)
    run("ip", "-n", NAMESPACE, "link", "set", port, "master", BRIDGE, "up")
    _bought("add", guest, addresses)
    lines = ["link set lo up", "link set eth0 up"]
    lines += [f"addr add {address}/{LENGTH} dev eth0" for address in addresses]
    lines += [f"route add default via {MACHINE} src {addresses[0]}"]
    run("ip", "-n", namespace, "-b", "-", stdin="\n".join(lines) + "\n")
    return namespace


def disconnect(guest: str, addresses: Sequence[str]) -> None:
    """Remove a guest's network, with everything it configured there."""
    attempt("ip", "-n", NAMESPACE, "link", "del", _port(guest))
    attempt("ip", "netns", "del", f"{PREFIX}{guest}")
    _bought("delete", guest, addresses)


def permit(guest: str, address: str) -> None:
    """Let a running guest use a further address, and add it there."""
    _bought("add", guest, [address])
    run("ip", "-n", f"{PREFIX}{guest}", "addr", "add", f"{address}/{LENGTH}", "dev", "eth0")


def forbid(guest: str, address: str) -> None:
    """Remove an address from a running guest."""
    _bought("delete", guest, [address])
    attempt("ip", "-n", f"{PREFIX}{guest}", "addr", "del", f"{address}/{LENGTH}", "dev", "eth0")


def _bought(change: str, guest: str, addresses: Sequence[str]) -> None:
    for address in addresses:  # the machine may have cached its previous owner
        attempt("ip", "neigh", "del", address, "dev", MACHINE_LINK)
    elements = ", ".join(f"{_port(guest)} . {address}" for address in addresses)
    rule = f"{change} element bridge lab bought {{ {elements} }}\n"
    run("ip", "netns", "exec", NAMESPACE, "nft", "-f", "-", stdin=rule)


def _mac(guest: str) -> str:
    """Return a guest's hardware address, the same at every boot: neighbours cache it."""
    digest = hashlib.sha256(guest.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def _port(guest: str) -> str:
    """Return the name of the guest's port at the bridge; the kernel allows 15 characters."""
    return f"lv{guest}"
