"""Ports of the provider emulators to hosts and name server; each also has one in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Rule:
    """What a server's port lets pass; replies to it pass as well."""

    direction: str
    """`ingress` or `egress`."""
    protocol: str | None
    """tcp, udp or icmp; None is every one."""
    first: int
    last: int
    """Range of the destination's ports."""


class Machines(Protocol):
    """The servers behind the Hostwinds emulator. Calls return when they have taken effect."""

    def order(self, server_id: int, name: str, address: str, root_password: str) -> None:
        """Boot a new host with its primary address; root may log in with this password."""

    def filter(self, server_id: int, rules: Sequence[Rule]) -> None:
        """Let only this pass through the host's port, at once and from its next boot on."""

    def set_password(self, server_id: int, password: str) -> None:
        """Set root's password on the running host."""

    def attach(self, server_id: int, address: str) -> None:
        """Permit an additional address on the host's port and add it to the host."""

    def detach(self, server_id: int, address: str) -> None:
        """Remove an address, not the only one."""

    def prefer(self, server_id: int, address: str) -> None:
        """Make an attached address the primary one."""

    def power(self, server_id: int, action: Literal["boot", "shutdown", "reboot", "cut"]) -> None:
        """Act on the power of a host; `cut` is without warning."""

    def destroy(self, server_id: int) -> None:
        """End the host and remove its disk; idempotent."""


class Nameserver(Protocol):
    """The authoritative name server behind both emulators. Names are FQDN without final dot."""

    def create_zone(self, zone: str) -> None:
        """Serve a zone, not yet delegated."""

    def delegate(self, zone: str) -> None:
        """Delegate the zone to us, as its owner does at the registrar."""

    def is_delegated(self, zone: str) -> bool:
        """Tell whether the zone is delegated to us."""

    def undelegate(self, zone: str) -> None:
        """Remove the delegation of the zone."""

    def delete_zone(self, zone: str) -> None:
        """Stop serving a zone and remove its delegation."""

    def replace(self, zone: str, name: str, kind: str, ttl: int, rdata: Sequence[str]) -> None:
        """Replace the RRset (name, kind); no data removes it. TXT is unquoted."""

    def set_ptr(self, address: str, name: str | None) -> None:
        """Set or remove the PTR of an IPv4 address."""
