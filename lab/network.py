"""The lab's own network: a bridge in a namespace of its own, one port per guest, nothing beyond."""

from __future__ import annotations

import ctypes
import hashlib
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lab.commands import attempt, run
from lab.ports import Rule

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
"""Address of packages and time for guests, inside: the machine's firewall does not apply."""
CLONE_NEWNET = 0x40000000
NETWORK = "198.18.0.0/15"
LENGTH = 15

RECORD = "update @flows { ip saddr . meta l4proto . th sport . ip daddr . th dport } accept"
FLOW_SECONDS = 900
"""How long replies to the last packet of a connection pass."""

RULES = f"""
table bridge lab {{
  set bought {{ type ifname . ipv4_addr; }}
  set flows {{
    typeof ip saddr . meta l4proto . th sport . ip daddr . th dport
    flags dynamic,timeout; timeout {FLOW_SECONDS}s; size 524288
  }}
  map incoming {{ type ifname : verdict; }}
  map outgoing {{ type ifname : verdict; }}
  chain replies {{
    ip daddr . meta l4proto . th dport . ip saddr . th sport @flows accept
    icmp type {{ echo-reply, destination-unreachable, time-exceeded }} accept
  }}
  chain ports {{
    type filter hook prerouting priority 0; policy accept;
    iifname "{MACHINE_LINK}" accept
    ether type != {{ ip, arp }} drop
    iifname . ip saddr != @bought counter drop
    iifname . arp saddr ip != @bought counter drop
    ip daddr != {NETWORK} counter drop
    ether type arp accept
    jump replies
    iifname vmap @outgoing
  }}
  chain delivery {{
    type filter hook postrouting priority 0; policy accept;
    ether type != ip accept
    jump replies
    oifname vmap @incoming
  }}
}}
"""
"""A guest sends only from addresses that it bought, and only to the lab. A guest with a firewall
profile has a chain for each direction, which drops what the profile does not allow. The kernel
may have no connection tracking on bridges: `flows` has the packets that a rule let pass, so that
replies to them pass, too, and a rule that is removed also ends what it had let in."""


def up() -> None:
    """Create the bridge and the machine's link to it."""
    run("ip", "netns", "add", NAMESPACE)
    # A bridge without an address of its own takes the lowest of its ports: it would change as
    # guests come and go, and the others would lose SERVICES until their neighbour entry expires.
    address = ("address", _mac(BRIDGE))
    run("ip", "-n", NAMESPACE, "link", "add", BRIDGE, *address, "type", "bridge")
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

    return _inside(NAMESPACE, lambda: socket.create_server((SERVICES, port)))


def datagrams(port: int, address: str = SERVICES) -> socket.socket:
    """Return a socket of this process that receives datagrams at an address inside the lab."""

    def bind() -> socket.socket:
        stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stream.bind((address, port))
        return stream

    return _inside(NAMESPACE, bind)


def connection(guest: str, port: int, timeout: float) -> socket.socket:
    """Return a connection from inside a guest to itself, where no rule applies."""
    address = ("127.0.0.1", port)
    return _inside(f"{PREFIX}{guest}", lambda: socket.create_connection(address, timeout))


def _inside(name: str, make: Callable[[], socket.socket]) -> socket.socket:
    """Make a socket of this process in a namespace; raises OSError."""

    def enter() -> socket.socket:
        with (NAMES / name).open() as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"namespace {name} cannot be entered")
        return make()

    with ThreadPoolExecutor(
        max_workers=1
    ) as pool:  # only its thread enters the namespace, and ends
        return pool.submit(enter).result()


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


def protect(guest: str, rules: Sequence[Rule]) -> None:
    """Let only this, and replies, through a guest's port, from now on and after each boot."""
    lines = []
    for direction, title in (("ingress", "incoming"), ("egress", "outgoing")):
        chain = f"{title}-{guest}"
        lines += [f"add chain bridge lab {chain}", f"flush chain bridge lab {chain}"]
        allowed = [_match(rule) for rule in rules if rule.direction == direction]
        lines += [
            f"add rule bridge lab {chain} {match}" for matches in allowed for match in matches
        ]
        lines += [f"add rule bridge lab {chain} counter drop"]
        lines += [f'add element bridge lab {title} {{ "{_port(guest)}" : jump {chain} }}']
    run("ip", "netns", "exec", NAMESPACE, "nft", "-f", "-", stdin="\n".join(lines) + "\n")


def expose(guest: str) -> None:
    """Remove a guest's rules; idempotent."""
    for title in ("incoming", "outgoing"):
        nft = ("ip", "netns", "exec", NAMESPACE, "nft")
        attempt(*nft, "delete", "element", "bridge", "lab", title, f'{{ "{_port(guest)}" }}')
        attempt(*nft, "delete", "chain", "bridge", "lab", f"{title}-{guest}")


def _match(rule: Rule) -> list[str]:
    """Return a rule in the language of nft, one line per protocol."""
    ported = [rule.protocol] if rule.protocol in ("tcp", "udp") else []
    if rule.protocol is None:
        ported = ["tcp", "udp"]
    lines = [f"meta l4proto {name} th dport {rule.first}-{rule.last} {RECORD}" for name in ported]
    if rule.protocol in (None, "icmp"):
        lines.append("meta l4proto icmp accept")
    return lines


def disconnect(guest: str, addresses: Sequence[str]) -> None:
    """Remove a guest's network, with everything it configured there."""
    attempt("ip", "-n", NAMESPACE, "link", "del", _port(guest))
    attempt("ip", "netns", "del", f"{PREFIX}{guest}")
    _bought("delete", guest, addresses)


def prefer(guest: str, address: str) -> None:
    """Let a running guest's connections come from an address, unless they are bound."""
    route = f"route replace default via {MACHINE} src {address}"
    run("ip", "-n", f"{PREFIX}{guest}", *route.split())


def permit(guest: str, address: str) -> None:
    """Let a running guest use a further address, and add it there."""
    _bought("add", guest, [address])
    run("ip", "-n", f"{PREFIX}{guest}", "addr", "add", f"{address}/{LENGTH}", "dev", "eth0")


def forbid(guest: str, address: str) -> None:
    """Remove an address from a running guest; the kernel would remove its others with the first."""
    _bought("delete", guest, [address])
    keep = "echo 1 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries"
    run("ip", "netns", "exec", f"{PREFIX}{guest}", "sh", "-ec", keep)
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
