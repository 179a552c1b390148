"""The `Verifier` on real name servers and real connections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from blueprint.document import Blueprint
from controlplane.provisioning.ports import CloudState, Finding
from controlplane.verification.names import Names
from controlplane.verification.records import verify_records, verify_reverse
from controlplane.verification.submission import MAIL, SUBMISSION, verify_port

AT_ONCE = 16
"""Questions and connections that are open at the same time."""


class InternetVerifier:
    """Asks the zones' own servers first, and a recursive one only for what is right there.

    A recursive server that is asked too early remembers that a name did not exist.
    """

    def __init__(
        self,
        *,
        resolver: str | None = None,
        source: str | None = None,
        dns_port: int = 53,
        submission_port: int = SUBMISSION,
        mail_port: int = MAIL,
    ) -> None:
        self._resolver = resolver
        self._source = source
        self._dns_port = dns_port
        self._submission_port = submission_port
        self._mail_port = mail_port

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        """Every record at the authoritative and at the recursive server; FCrDNS per address."""
        names = Names(self._resolver, port=self._dns_port)
        numbers = _numbers(state)
        records = await verify_records(blueprint, numbers, names, AT_ONCE)
        reverse = await verify_reverse(blueprint, numbers, names)
        return [*records, *reverse]

    async def verify_hosts(
        self, blueprint: Blueprint, state: CloudState, *, authority: str
    ) -> Sequence[Finding]:
        """Banner and TLS of each submission port, and a relay attempt that must be refused."""
        numbers = _numbers(state)
        ports = []
        for host in blueprint.hosts:
            for address in host.addresses:
                ip = numbers.get(address.name)
                if ip and address.sends_bulk:
                    ports.append((address, ip, self._submission_port, True))
                if ip and address.index == 1:
                    ports.append((address, ip, self._mail_port, False))
        found = await asyncio.gather(
            *(
                verify_port(address, ip, port, encrypted=encrypted, source=self._source)
                for address, ip, port, encrypted in ports
            )
        )
        return [finding for findings in found for finding in findings]


def _numbers(state: CloudState) -> dict[str, str]:
    """Return the numbers of the addresses that have one, by name."""
    return {a.name: a.ip for host in state.hosts for a in host.addresses if a.ip}
