"""What the provider emulators need from the lab's real side; each has an in-memory twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol


class Machines(Protocol):
    """The hall of servers behind the Hostwinds emulator. Calls block until the effect is real."""

    def order(self, server_id: int, name: str, address: str, root_password: str) -> None:
        """Boot a new host with its primary address; root may log in by this password."""

    def attach(self, server_id: int, address: str) -> None:
        """Permit an additional address on the host's port and add it to the host."""

    def detach(self, server_id: int, address: str) -> None:
        """Take an additional address away."""

    def power(self, server_id: int, action: Literal["boot", "shutdown", "reboot", "cut"]) -> None:
        """Act on the power of a host; `cut` is without warning."""

    def destroy(self, server_id: int) -> None:
        """End the host and drop its disk. One that is gone already is fine."""


class Nameserver(Protocol):
    """The authoritative name server behind both emulators. Names are FQDN without final dot."""

    def create_zone(self, zone: str) -> None:
        """Serve a zone, not yet delegated."""

    def delegate(self, zone: str) -> None:
        """Point the parent at us: what the owner does at the registrar."""

    def is_delegated(self, zone: str) -> bool:
        """Say whether the parent points at us."""

    def delete_zone(self, zone: str) -> None:
        """Stop serving a zone and remove its delegation."""

    def replace(self, zone: str, name: str, kind: str, ttl: int, rdata: Sequence[str]) -> None:
        """Make the RRset (name, kind) hold just these; none removes it. TXT unquoted."""

    def set_ptr(self, address: str, name: str | None) -> None:
        """Set or remove the PTR of an IPv4 address."""
