"""The servers behind the Hostwinds emulator: each is a real Debian host."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from kit.faults import Fault
from lab.guest import Guest
from lab.ports import Rule


class Hosts:
    """Implements `lab.ports.Machines` with guests on the layers of hosts, topmost first."""

    def __init__(self, directory: Path, layers: Sequence[Path]) -> None:
        self._directory = directory
        self._layers = layers
        self._guests: dict[int, Guest] = {}
        self._rules: dict[int, Sequence[Rule]] = {}

    def order(self, server_id: int, name: str, address: str, root_password: str) -> None:
        """Boot a new host with its primary address; root may log in with this password."""
        guest = Guest(self._directory, str(server_id), name, [address], self._layers)
        self._guests[server_id] = guest
        try:
            guest.make()
            guest.protect(self._rules[server_id])
            guest.inside_disk("chpasswd", stdin=f"root:{root_password}\n")
            guest.boot()
        except Fault:
            traceback.print_exc()  # the provider answers only "error"; the reason is in the log
            raise

    def filter(self, server_id: int, rules: Sequence[Rule]) -> None:
        """Let only this pass through the host's port, at once and from its next boot on."""
        self._rules[server_id] = rules
        if server_id in self._guests:
            self._guests[server_id].protect(rules)

    def set_password(self, server_id: int, password: str) -> None:
        """Set root's password on the running host."""
        self._guests[server_id].inside("chpasswd", stdin=f"root:{password}\n")

    def attach(self, server_id: int, address: str) -> None:
        """Permit an additional address on the host's port and add it to the host."""
        self._guests[server_id].attach(address)

    def detach(self, server_id: int, address: str) -> None:
        """Remove an address, not the only one."""
        self._guests[server_id].detach(address)

    def prefer(self, server_id: int, address: str) -> None:
        """Make an attached address the primary one."""
        self._guests[server_id].prefer(address)

    def power(self, server_id: int, action: Literal["boot", "shutdown", "reboot", "cut"]) -> None:
        """Act on the power of a host; `cut` is without warning."""
        guest = self._guests[server_id]
        {
            "boot": guest.boot,
            "shutdown": guest.shutdown,
            "reboot": guest.reboot,
            "cut": guest.cut,
        }[action]()

    def destroy(self, server_id: int) -> None:
        """End the host and remove its disk; idempotent."""
        self._rules.pop(server_id, None)
        guest = self._guests.pop(server_id, None)
        if guest is not None:
            guest.destroy()

    def close(self) -> None:
        """End all hosts at once, as at a power failure."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(self.destroy, list(self._guests)))
