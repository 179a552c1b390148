"""What hosts of the tenant can see: whether mail leaves them, and port 25 of each other.

Large clouds close outbound port 25, also for the control plane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from socket import socket
from typing import Protocol

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPException, SMTPRecipientRefused

from controlplane.reconciler.ports import CloudState, Finding, Login, ObservedHost
from controlplane.verification import faults
from controlplane.verification.names import Names, texts
from controlplane.verification.outbound import (
    CHECK,
    COMMAND,
    Answers,
    Report,
    judge,
    reported,
    unread,
)
from controlplane.verification.outbound.faults import OUTBOUND_UNSET
from controlplane.verification.submission import TIMEOUT, Target, verify_certificate, verify_port
from kit.faults import Fault

WITNESSES = 2
"""Other hosts that are asked about one that is not seen: more would take long when all are down."""
NO_SUCH_COMMAND = 127
"""A shell's status where a program does not exist (POSIX)."""


class Shell(Protocol):
    """Logs in at hosts. All calls block; run them in a thread. Raises a fault without a login."""

    def run(self, host: ObservedHost, login: Login, command: str) -> tuple[int, str]:
        """Run a command; return its status and its output."""

    def tunnel(
        self, host: ObservedHost, login: Login, ip: str, port: int
    ) -> AbstractContextManager[socket]:
        """Connect to a port by way of a host."""


@dataclass(frozen=True)
class Echo:
    """The server that reports what it sees."""

    mx: str
    port: int
    names: Names
    source: str | None
    """Source address of our own connections."""

    async def answers(self) -> Answers:
        """Return whether it answers the control plane, offers encryption, and reports."""
        try:
            ips = texts((await self.names.recursive(self.mx, "A")).data)
        except Fault:
            return Answers()
        answers = Answers()
        for ip in ips:
            answers |= await self._ask(ip)
            if answers.anybody:
                break
        return answers

    async def _ask(self, ip: str) -> Answers:
        answers = Answers()
        client = SMTP(
            port=self.port,
            timeout=TIMEOUT,
            start_tls=False,
            local_hostname="verification.invalid",
            source_address=(self.source, 0) if self.source else None,
        )
        try:
            await client.connect(hostname=ip)
            await client.ehlo()
            answers = Answers(anybody=True, encrypted=client.supports_extension("starttls"))
            await client.mail("")
            response = await client.rcpt(f"echo@{self.mx}")
            return replace(answers, reported=bool(reported(response.message)))
        except SMTPRecipientRefused as refusal:
            return replace(answers, reported=bool(reported(refusal.message)))
        except (SMTPException, OSError):
            return answers
        finally:
            client.close()


@dataclass(frozen=True)
class Unread:
    """Why a host has no report."""

    reason: str
    outdated: bool = False
    may_be_kept: bool = False
    """What was kept may be the cause."""


class Hosts:
    """The hosts of one tenant during one look."""

    def __init__(
        self,
        state: CloudState,
        logins: Mapping[str, Login],
        echo: Echo | None,
        shell: Shell | None,
        unchanged_for: timedelta,
    ) -> None:
        self._hosts = [host for host in state.hosts if host.primary_ip is not None]
        self._logins = logins
        self._echo = echo
        self._shell = shell
        self._unchanged_for = unchanged_for
        self._asked: asyncio.Task[Answers] | None = None

    async def outbound(self) -> list[Finding]:
        """Return for each address whether mail leaves from it.

        A report that a host has kept must be younger than the last change at the provider. Where
        mail does not leave, kept ones are not enough: what others are answered has to be of the
        same time.
        """
        if self._echo is None:
            fault = OUTBOUND_UNSET()
            return [
                Finding.remark(f"address/{address.name}", CHECK, fault)
                for host in self._hosts
                for address in host.addresses
                if address.ip
            ]
        young = f"--last {int(self._unchanged_for.total_seconds())}"
        reports = await self._reports(self._hosts, f"{COMMAND} {young}")
        findings = await self._judged(reports, self._echo)
        kept = [host for host in self._hosts if reports[host.name].may_be_kept]
        if not kept or all(finding.ok for finding in findings):
            return findings
        return await self._judged(reports | await self._reports(kept, COMMAND), self._echo)

    async def look(self, target: Target, found: list[Finding]) -> list[Finding]:
        """Return what another host sees of a port 25 that is closed from here, else `found`.

        Where the control plane cannot open port 25 anywhere, the last one to ask is the host
        itself: what it sees counts for a first release, and turns nothing off.
        """
        own = [host for host in self._hosts if target.ip == host.primary_ip]
        failures: list[str] = []
        for host in [host for host in self._hosts if host not in own][:WITNESSES]:
            seen = await self._seen_by(host, target, failures)
            if seen is not None:
                return seen
        if self._echo is None or (await self._answers(self._echo)).anybody:
            return found
        for host in own:
            seen = await self._seen_by(host, target, failures)
            if seen is not None:
                return [*seen, *_only_by_itself(seen, target)]
        fault = faults.UNSEEN(port=target.where, reason="; ".join(failures))
        subjects = [f"address/{target.address.name}", *(f"domain/{d}" for d in target.recipients)]
        return [Finding.of(name, "smtp.banner", fault, checked=False) for name in subjects]

    async def _seen_by(
        self, host: ObservedHost, target: Target, failures: list[str]
    ) -> list[Finding] | None:
        """Verify a port by way of a host; None where that cannot be asked."""
        ran = await self._run(host, "true")
        if self._shell is None or isinstance(ran, str):
            failures.append(f"{host.name}: {ran}")
            return None
        open_tunnel = partial(
            self._shell.tunnel, host, self._logins[host.name], target.ip, target.port
        )
        sessions = [verify_port] if target.public is None else [verify_port, verify_certificate]
        findings = list[Finding]()
        for verify in sessions:
            stack = ExitStack()
            try:
                stream = await asyncio.to_thread(stack.enter_context, open_tunnel())
                findings += await verify(target, stream=stream)
            finally:
                await asyncio.to_thread(stack.close)
            if findings[0].code is faults.NO_BANNER:
                break
        return findings

    async def _reports(self, hosts: list[ObservedHost], command: str) -> dict[str, Report | Unread]:
        async def report(host: ObservedHost) -> Report | Unread:
            ran = await self._run(host, command)
            if isinstance(ran, str):
                return Unread(ran)
            status, output = ran
            if status == NO_SUCH_COMMAND:
                return Unread("the host does not try outbound port 25 yet", outdated=True)
            try:
                return Report.model_validate_json(output)
            except ValueError:
                reason = f"{COMMAND} ended with {status} and without a report"
                return Unread(reason, may_be_kept=True)

        names = [host.name for host in hosts]
        return dict(zip(names, await asyncio.gather(*map(report, hosts)), strict=True))

    async def _run(self, host: ObservedHost, command: str) -> tuple[int, str] | str:
        """Run a command on a host; return status and output, or why it cannot be asked."""
        login = self._logins.get(host.name)
        if self._shell is None or login is None:
            return "the host was not configured yet"
        try:
            return await asyncio.to_thread(self._shell.run, host, login, command)
        except Fault as fault:
            return fault.message

    async def _answers(self, echo: Echo) -> Answers:
        """Return whether the echo MX answers the control plane; it is asked once."""
        if self._asked is None:
            self._asked = asyncio.create_task(echo.answers())
        return await self._asked

    async def _judged(self, reports: Mapping[str, Report | Unread], echo: Echo) -> list[Finding]:
        results = [
            result
            for report in reports.values()
            if isinstance(report, Report) and report.config.mx == echo.mx
            for result in report.results
        ]
        answers = Answers.of(results)
        if any(result.tls is None or not reported(result.reply) for result in results):
            answers |= await self._answers(echo)
        return list(self._findings(reports, echo.mx, answers))

    def _findings(
        self, reports: Mapping[str, Report | Unread], mx: str, answers: Answers
    ) -> Iterator[Finding]:
        for host in self._hosts:
            report = reports[host.name]
            for address in host.addresses:
                if address.ip is None:
                    continue
                if isinstance(report, Report):
                    yield judge(address, report, mx, answers)
                else:
                    yield unread(address, report.reason, outdated=report.outdated)


def _only_by_itself(seen: list[Finding], target: Target) -> list[Finding]:
    """Return the remark on a port that is right, but was seen from nowhere else."""
    if not all(finding.ok for finding in seen):
        return []
    fault = faults.SEEN_BY_ITSELF(port=target.where)
    return [Finding.remark(f"address/{target.address.name}", "smtp.banner", fault)]
