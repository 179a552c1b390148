"""The outside in memory: a process that can be killed, and an Internet that can be broken."""

from __future__ import annotations

from collections.abc import Sequence

from blueprint.document import Blueprint
from controlplane.reconciler.ports import CloudState, Finding
from kit.faults import Code


class Killed(BaseException):
    """The process is gone: no handler runs, nothing more is written."""


class Kill:
    """Kills the process at a named point, once."""

    def __init__(self) -> None:
        self.at: str | None = None

    def here(self, point: str) -> None:
        if self.at == point:
            self.at = None
            raise Killed(point)


class MemoryInternet:
    """Sees everything right, except what `wrong` names by subject and check."""

    def __init__(self, kill: Kill) -> None:
        self.wrong: dict[tuple[str, str], Code] = {}
        self._kill = kill

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        self._kill.here("dns")
        domains = [
            self._seen(f"domain/{domain.name}", "dns.authoritative") for domain in blueprint.domains
        ]
        addresses = [
            self._seen(f"address/{address.name}", "fcrdns")
            for host in state.hosts
            for address in host.addresses
            if address.ip
        ]
        return domains + addresses

    async def verify_hosts(
        self, blueprint: Blueprint, state: CloudState, *, authority: str
    ) -> Sequence[Finding]:
        self._kill.here("verification")
        return [
            self._seen(f"address/{address.name}", "smtp.tls")
            for host in state.hosts
            for address in host.addresses
            if address.ip
        ]

    def _seen(self, subject: str, check: str) -> Finding:
        code = self.wrong.get((subject, check))
        if code is None:
            return Finding(subject, check, True, "right")
        return Finding.of(subject, check, code.shown())
