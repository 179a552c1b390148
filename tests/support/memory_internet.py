"""The double of the port `Verifier`: an Internet in which everything is right but what a test says.

It is held to `tests/support/verifier_conformance.py`, as the real verifier is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from blueprint.document import Blueprint
from blueprint.tenant import Dns
from controlplane.reconciler.ports import CloudState, Finding
from controlplane.verification.faults import LOOKUP_FAILED, MISSING, NO_BANNER, UNCLEAR
from kit.faults import Code
from tests.support.points import Points


class MemoryInternet:
    """Observes what `wrong` and `dead` say, and everything else right.

    It reaches the points `dns` and `verification`, each in a thread of its own.
    """

    def __init__(self, points: Points | None = None) -> None:
        self.wrong: dict[tuple[str, str], Code] = {}
        """By subject and check."""
        self.dead: set[str] = set()
        """Names of hosts that do not answer."""
        self._at = points or Points()

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        """Check each record that the state holds or its owner sets, and each reverse name."""
        await asyncio.to_thread(self._at, "dns")
        given = {address.name for host in state.hosts for address in host.addresses if address.ip}
        found: list[Finding] = []
        for record in blueprint.records:
            if record.address is not None and record.address not in given:
                continue
            address = record.key.partition("/")[0]
            subject = f"domain/{record.domain}" if record.domain else f"address/{address}"
            if record.provider is Dns.MANUAL:
                found += self._check(subject, ("dns.manual",))
            elif record.key in state.records:
                found += self._check(subject, ("dns.authoritative", "dns.recursive"))
            else:
                found.append(Finding.of(subject, "dns.authoritative", MISSING.shown()))
        for name in sorted(given):
            found += self._check(f"address/{name}", ("fcrdns",))
        return list(dict.fromkeys(found))

    async def verify_hosts(
        self, blueprint: Blueprint, state: CloudState, *, authority: str
    ) -> Sequence[Finding]:
        """Check the submission port of addresses for bulk, and port 25 of primary ones."""
        del authority
        await asyncio.to_thread(self._at, "verification")
        given = {address.name for host in state.hosts for address in host.addresses if address.ip}
        found: list[Finding] = []
        for host in blueprint.hosts:
            for address in host.addresses:
                checks: list[tuple[str, ...]] = []
                if address.sends_bulk:
                    checks.append(("smtp.banner", "smtp.tls", "smtp.auth", "smtp.relay"))
                if address == host.primary:
                    checks.append(("smtp.banner", "smtp.relay", "smtp.inbound"))
                for port in checks if address.name in given else ():
                    subject = f"address/{address.name}"
                    if host.name in self.dead:
                        found.append(Finding.of(subject, "smtp.banner", NO_BANNER.shown()))
                    else:
                        found += self._check(subject, port)
        return found

    def _check(self, subject: str, checks: Iterable[str]) -> list[Finding]:
        """Return a finding for each check; the first that is wrong is the last."""
        found: list[Finding] = []
        for check in checks:
            code = self.wrong.get((subject, check))
            if code is not None:
                checked = code not in (LOOKUP_FAILED, UNCLEAR)
                return [*found, Finding.of(subject, check, code.shown(), checked=checked)]
            found.append(Finding(subject, check, True, "right"))
        return found
