"""Phase `identity`: the domains, mailboxes and aliases of hosts with Mailu.

A pass only reads what the last operation has left. An operation of a host runs after a change,
after its playbooks have run, and on a slow schedule; what kept one from ending is tried later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from blueprint.document import Host
from blueprint.mail_address import domain_of
from blueprint.tenant import MailboxServer
from controlplane.conditions.model import Verdict, bad, ok, unknown
from controlplane.hosts import identities as rows
from controlplane.hosts.identities import Noted, noted
from controlplane.mailboxes import repository
from controlplane.mailboxes.answering import refused
from controlplane.mailu import faults
from controlplane.mailu.comparison import Plan, Removal
from controlplane.mailu.declared import TenantMail
from controlplane.mailu.of_blueprint import mail_of
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Login, Mailboxes, ObservedHost, Progress
from controlplane.reconciler.purposes import SSH, mailu_token
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row
from kit.faults import Fault

AGAIN = timedelta(hours=6)
"""After which a host is looked at although nothing has changed."""
RETRIED = timedelta(minutes=10)
"""After which an operation is tried again that did not end."""
REMARKS = frozenset({faults.FOREIGN.name})
"""Codes of what is reported and is not wrong."""
RECONCILED = "Reconciled"


@dataclass(frozen=True)
class Observed:
    """The last looks, by host, and the time of this one."""

    rows: Mapping[str, rows.Identity]
    now: datetime
    asked: frozenset[str] = frozenset()
    """Hosts about whose mailboxes something is asked."""


class Identity(Phase[Observed]):
    """Brings each host to what the tenant declares for it."""

    row = Row(
        name="identity",
        condition="IdentityReady",
        about="hosts with Mailu have the domains, mailboxes and aliases of the document, and sign "
        "with the published keys",
        subjects=frozenset({Kind.HOST, Kind.DOMAIN}),
        needs=("keys", "cloud", "configuration"),
    )

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    async def observe(self, snapshot: Snapshot, session: Session) -> Observed:
        """Read what the last operations have left."""
        async with session.read() as connection:
            found = await rows.load(connection, snapshot.tenant.id)
            questions = await repository.waiting(connection, snapshot.tenant.id)
        asked = frozenset(question.host for question in questions)
        return Observed(found, session.clock(), asked)

    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return a verdict for each host and domain; that of a host is about all else there."""
        verdicts: dict[str, Verdict] = {}
        for host in snapshot.blueprint.hosts:
            own = [d.name for d in snapshot.blueprint.domains if d.mail_host == host.primary.helo]
            row = observed.rows.get(host.name)
            parts: dict[str, str | None] = {subject(Kind.HOST, host.name): None}
            parts |= {subject(Kind.DOMAIN, name): name for name in own}
            for part, domain in parts.items():
                verdicts[part] = _verdict(host, row, domain, own, snapshot)
        return verdicts

    def steps(self, observed: Observed, snapshot: Snapshot) -> Sequence[Step]:
        """Return the hosts whose turn it is, and those about which something is asked."""
        steps = []
        for host in _hosts(snapshot):
            part = subject(Kind.HOST, host.name)
            if _is_due(host, observed, snapshot):
                steps.append(Step(part, operation="identify"))
            elif host.name in observed.asked:
                steps.append(Step(part, operation="answer", maintenance=True))
        return steps

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Reconcile one host, and answer what is asked about its mailboxes."""
        name = step.subject.partition("/")[2]
        [host] = [host for host in snapshot.blueprint.hosts if host.name == name]
        if step.operation == "identify":
            await self._identify(host, snapshot, session, progress)
        await self._answer(host, snapshot, session, progress)

    async def _identify(
        self, host: Host, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Reconcile one host; what keeps it from ending is kept, and changes nothing else."""
        name = host.name
        row = rows.Identity(
            name,
            _digest(mail_of(snapshot.blueprint, host)),
            snapshot.hosts[name].applied_digest,
            session.clock(),
        )
        try:
            plan = await self._reconciled(host, snapshot, session, progress)
        except Fault as fault:
            progress(f"{name}: {fault.sentence}")
            row = replace(row, trouble=noted("", fault))
        else:
            found = tuple(noted(finding.subject, finding.fault) for finding in plan.findings)
            row = replace(row, findings=found)
        async with session.begin() as connection:
            await rows.save(connection, snapshot.tenant.id, row)

    async def _reconciled(
        self, host: Host, snapshot: Snapshot, session: Session, progress: Progress
    ) -> Plan:
        tenant = snapshot.tenant.id
        async with session.read() as connection:
            unpurged = await rows.unpurged(connection, tenant, host.name)
        loop = asyncio.get_running_loop()

        async def keep(removal: Removal) -> None:
            async with session.begin() as connection:
                names = {removal.key, *removal.users}
                await rows.add_purges(connection, tenant, host.name, names)

        def record(removal: Removal) -> None:
            asyncio.run_coroutine_threadsafe(keep(removal), loop).result()

        return await asyncio.to_thread(
            self._mailboxes.reconcile,
            *_way(host, snapshot),
            [mail_of(snapshot.blueprint, host)],
            unpurged=unpurged,
            confirmed=(),
            record=record,
            progress=progress,
        )

    async def _answer(
        self, host: Host, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Answer questions, each of which is taken before: none is answered twice."""
        async with session.begin() as connection:
            taken = [
                question
                for question in await repository.waiting(connection, snapshot.tenant.id)
                if question.host == host.name and await repository.take(connection, question.id)
            ]
        if not taken:
            return
        try:
            given = await asyncio.to_thread(
                self._mailboxes.answer, *_way(host, snapshot), snapshot.tenant.name, taken
            )
        except Fault as fault:
            given = [refused(fault) for _ in taken]
        async with session.begin() as connection:
            for question, answer in zip(taken, given, strict=True):
                await repository.answer(connection, question, answer)
                progress(f"{host.name}: {question.action} of {question.address}")


def _way(host: Host, snapshot: Snapshot) -> tuple[ObservedHost, Login, str]:
    """Return how Mailu of a host is reached."""
    [observed] = [each for each in snapshot.cloud.hosts if each.name == host.name]
    login = Login(snapshot.hosts[host.name].host_key or "", snapshot.secrets.open(SSH))
    return observed, login, snapshot.secrets.open(mailu_token(host.name))


def _hosts(snapshot: Snapshot) -> list[Host]:
    """Return the hosts with Mailu that exist."""
    existing = {host.name for host in snapshot.cloud.hosts if host.primary_ip is not None}
    return [
        host
        for host in snapshot.blueprint.hosts
        if host.mail is MailboxServer.MAILU and not host.is_retired and host.name in existing
    ]


def _is_due(host: Host, observed: Observed, snapshot: Snapshot) -> bool:
    row = observed.rows.get(host.name)
    if row is None or row.digest != _digest(mail_of(snapshot.blueprint, host)):
        return True
    known = snapshot.hosts.get(host.name)
    if known is not None and row.configured != known.applied_digest:
        return True
    soon = row.trouble is not None and row.trouble.retryable
    return observed.now - row.at >= (RETRIED if soon else AGAIN)


def _verdict(
    host: Host,
    row: rows.Identity | None,
    domain: str | None,
    domains: Sequence[str],
    snapshot: Snapshot,
) -> Verdict:
    """Return the verdict on a host, or on one of its domains.

    Where Mailu was not reached, nothing is known: mail may flow as before.
    """
    if host.mail is not MailboxServer.MAILU or host.is_retired:
        return ok("NoMailu", "people do not log in on its host")
    if row is None or row.digest != _digest(mail_of(snapshot.blueprint, host)):
        return unknown("NotReconciled", "the document was not brought to the host yet")
    if row.trouble is not None:
        judge = unknown if row.trouble.retryable else bad
        return judge(row.trouble.reason, row.trouble.sentence)
    own = [each for each in row.findings if _concerned(each, domains) == domain]
    wrong = [each for each in own if each.code not in REMARKS]
    if wrong:
        return bad(wrong[0].reason, wrong[0].sentence)
    return ok(RECONCILED, ". ".join(each.sentence for each in own))


def _concerned(finding: Noted, domains: Sequence[str]) -> str | None:
    """Return the domain of the host that a finding is about, None for the host itself."""
    name = domain_of(finding.subject)
    return name if name in domains else None


def _digest(mail: TenantMail) -> str:
    return hashlib.sha256(repr(mail).encode()).hexdigest()
