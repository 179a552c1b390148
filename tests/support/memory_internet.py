"""A test double of the port `Verifier`: all checks pass but those that a test sets to fail.

It passes `tests/support/verifier_conformance.py`, as the real verifier does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from blueprint.document import Blueprint
from blueprint.tenant import Dns
from controlplane.reconciler.ports import CERTIFICATE, CloudState, Finding, Login
from controlplane.verification.faults import (
    DKIM_INVALID,
    MISSING,
    NO_BANNER,
    NOT_DELEGATED,
    UNANSWERED,
    UNCLEAR,
)
from controlplane.verification.outbound.faults import OUTBOUND_UNCLEAR, OUTBOUND_UNREAD
from kit.faults import Actor, Code
from tests.support.points import Points

WRITTEN = ("dns.authoritative", "dns.recursive")
"""Checks of records that the reconciler writes again."""


class MemoryInternet:
    """Reports the failures in `wrong` and `dead`, and success for all other checks.

    It passes the points `dns` and `verification`, each in a separate thread.
    """

    def __init__(self, points: Points | None = None) -> None:
        self.wrong: dict[tuple[str, str], Code] = {}
        """Codes of failing checks, by subject and check."""
        self.dead: set[str] = set()
        """Names of hosts that do not answer."""
        self.public_names: Collection[str] = ()
        """Names that the last look expected a public certificate of."""
        self.unchanged_for = timedelta.max
        """Since when the last look at hosts knew of no change at the provider."""
        self.settled_for = timedelta.max
        """Since when it knew of no change of a host."""
        self._at = points or Points()

    async def verify_dns(self, blueprint: Blueprint, state: CloudState) -> Sequence[Finding]:
        """Check each managed or manual record, and each reverse name."""
        await asyncio.to_thread(self._at, "dns")
        assigned = {
            address.name for host in state.hosts for address in host.addresses if address.ip
        }
        findings: list[Finding] = []
        for record in blueprint.records:
            if record.address is not None and record.address not in assigned:
                continue
            address = record.key.partition("/")[0]
            subject = f"domain/{record.domain}" if record.domain else f"address/{address}"
            if record.provider is Dns.MANUAL:
                findings += self._check(subject, ("dns.manual",))
            elif record.key in state.records:
                findings += self._check(subject, ("dns.authoritative", "dns.recursive"))
            else:
                missing = Finding.of(subject, "dns.authoritative", MISSING.shown())
                findings.append(replace(missing, acts=Actor.NOBODY))
        for name in sorted(assigned):
            findings += self._check(f"address/{name}", ("fcrdns",))
        return list(dict.fromkeys(findings))

    async def verify_hosts(
        self,
        blueprint: Blueprint,
        state: CloudState,
        *,
        authority: str,
        logins: Mapping[str, Login],
        unchanged_for: timedelta,
        public_names: Collection[str] = (),
        settled_for: timedelta = timedelta.max,
    ) -> Sequence[Finding]:
        """Check port 587 of addresses for bulk, port 25 of primary ones, and each way out.

        Which ports answer is looked at each time.
        """
        del authority, logins
        self.unchanged_for, self.public_names = unchanged_for, public_names
        self.settled_for = settled_for
        await asyncio.to_thread(self._at, "verification")
        assigned = {
            address.name for host in state.hosts for address in host.addresses if address.ip
        }
        findings: list[Finding] = []
        for host in blueprint.hosts:
            answers = host.primary.name in assigned and host.name not in self.dead
            for domain in blueprint.domains if answers else ():
                if domain.mail_host == host.primary.helo:
                    findings += self._check(f"domain/{domain.name}", ("smtp.inbound",))
            for address in host.addresses:
                checks: list[tuple[str, ...]] = []
                if address.sends_bulk:
                    checks.append(("smtp.banner", "smtp.tls", "smtp.auth", "smtp.relay"))
                if address == host.primary:
                    checks.append(("smtp.banner", "smtp.relay"))
                for port in checks if address.name in assigned else ():
                    subject = f"address/{address.name}"
                    if host.name in self.dead:
                        findings.append(Finding.of(subject, "smtp.banner", NO_BANNER.shown()))
                    else:
                        findings += self._check(subject, port)
                shows = address == host.primary and address.helo in public_names
                if shows and address.name in assigned and host.name not in self.dead:
                    findings += self._check(f"address/{address.name}", (CERTIFICATE,))
                if address.name in assigned:
                    findings += self._outbound(address.name, dead=host.name in self.dead)
                if address.name in assigned and host.name not in self.dead:
                    findings.append(self._ports(address.name))
        return findings

    def _outbound(self, address: str, *, dead: bool) -> list[Finding]:
        subject, check = f"address/{address}", "smtp.outbound"
        if dead:
            return [Finding.of(subject, check, OUTBOUND_UNREAD.shown(), checked=False)]
        return self._check(subject, (check,))

    def _ports(self, address: str) -> Finding:
        """Return a remark where a test wants one: what answers besides turns nothing off."""
        subject, check = f"address/{address}", "ports"
        code = self.wrong.get((subject, check))
        if code is None:
            return Finding(subject, check, True, "right")
        return replace(Finding.remark(subject, check, code.shown()), asks=True)

    def _check(self, subject: str, checks: Iterable[str]) -> list[Finding]:
        """Return findings up to and including the first failed check."""
        findings: list[Finding] = []
        for check in checks:
            code = self.wrong.get((subject, check))
            if code is not None:
                checked = code not in UNANSWERED | {UNCLEAR, OUTBOUND_UNCLEAR, OUTBOUND_UNREAD}
                finding = Finding.of(subject, check, code.shown(), checked=checked)
                ours = check in WRITTEN and checked and code is not NOT_DELEGATED
                return [
                    *findings,
                    replace(
                        finding,
                        gone=code is DKIM_INVALID,
                        outdated=code is OUTBOUND_UNREAD,
                        acts=Actor.NOBODY if ours else None,
                    ),
                ]
            findings.append(Finding(subject, check, True, "right"))
        return findings
