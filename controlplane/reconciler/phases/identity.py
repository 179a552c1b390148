"""Phase `identity`: the domains, mailboxes and aliases of hosts with Mailu.

A pass only reads what the last operation has left. An operation of a host runs after a change,
after its playbooks have run, and on a slow schedule; what kept one from ending is tried later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from blueprint.document import Host
from blueprint.mail_address import domain_of
from blueprint.tenant import MailboxServer
from controlplane.conditions.model import Verdict, bad, ok, unknown
from controlplane.hosts import held_mail
from controlplane.hosts import identities as rows
from controlplane.hosts.held_mail import HeldMail
from controlplane.hosts.identities import Noted, noted
from controlplane.mailboxes import repository
from controlplane.mailboxes.answering import refused
from controlplane.mailu import faults
from controlplane.mailu.comparison import Plan, Removal
from controlplane.mailu.declared import TenantMail
from controlplane.mailu.of_blueprint import mail_of
from controlplane.mailu.reconciling import Removals
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
    unpurged: frozenset[str] = frozenset()
    """Hosts on which files of removed mailboxes are left."""
    held: Sequence[HeldMail] = ()


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
            unpurged = await rows.unpurged_hosts(connection, snapshot.tenant.id)
            held = await held_mail.load(connection, snapshot.tenant.id)
        asked = frozenset(question.host for question in questions)
        return Observed(found, session.clock(), asked, unpurged, held)

    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return a verdict for each host and domain; that of a host is about all else there."""
        verdicts: dict[str, Verdict] = {}
        for host in snapshot.blueprint.hosts:
            own = [d.name for d in snapshot.blueprint.domains if d.mail_host == host.primary.helo]
            row = observed.rows.get(host.name)
            confirmed = _confirmed(observed.held, host.name)
            parts: dict[str, str | None] = {subject(Kind.HOST, host.name): None}
            parts |= {subject(Kind.DOMAIN, name): name for name in own}
            for part, domain in parts.items():
                verdicts[part] = _verdict(host, row, confirmed, domain, own, snapshot)
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
        kept = None
        if step.operation == "identify":
            kept = await self._identify(host, snapshot, session, progress)
        await self._answer(host, snapshot, session, progress)
        if kept is not None:
            raise kept

    async def _identify(
        self, host: Host, snapshot: Snapshot, session: Session, progress: Progress
    ) -> Fault | None:
        """Reconcile one host; what keeps it from ending is kept, and changes nothing else.

        Return the fault of mail that is kept since no person has agreed to destroy it.
        """
        name, tenant = host.name, snapshot.tenant.id
        mail = mail_of(snapshot.blueprint, host)
        async with session.begin() as connection:
            await held_mail.expect(connection, tenant, name, [box.address for box in mail.mailboxes])
            confirmed = _confirmed(await held_mail.load(connection, tenant), name)
        applied = snapshot.hosts[name].applied_digest
        row = rows.Identity(name, _digest(mail, confirmed), applied, session.clock())
        try:
            plan = await self._reconciled(host, mail, confirmed, snapshot, session, progress)
        except Fault as fault:
            progress(f"{name}: {fault.sentence}")
            async with session.begin() as connection:
                await rows.save(connection, tenant, replace(row, trouble=noted("", fault)))
            return None
        row = replace(
            row,
            digest=_digest(mail, confirmed & plan.mail.keys()),
            findings=tuple(noted(found.subject, found.fault) for found in plan.findings),
        )
        async with session.begin() as connection:
            await rows.save(connection, tenant, row)
            await rows.remove_purges(connection, tenant, name, plan.present)
            await held_mail.save(connection, tenant, name, plan.mail)
        kept = (found.fault for found in plan.findings if found.fault.code is faults.HOLDS_MAIL)
        return next(kept, None)

    async def _reconciled(
        self,
        host: Host,
        mail: TenantMail,
        confirmed: Collection[str],
        snapshot: Snapshot,
        session: Session,
        progress: Progress,
    ) -> Plan:
        tenant = snapshot.tenant.id
        async with session.read() as connection:
            unpurged = await rows.unpurged(connection, tenant, host.name)
        loop = asyncio.get_running_loop()

        def stored(change: Coroutine[None, None, None]) -> None:
            asyncio.run_coroutine_threadsafe(change, loop).result()

        async def change(act: Callable[..., Coroutine[None, None, None]], names: Collection[str]) -> None:
            async with session.begin() as connection:
                await act(connection, tenant, host.name, names)

        removals = Removals(
            confirmed,
            unpurged,
            lambda removal: stored(change(rows.add_purges, {removal.key, *removal.users})),
            lambda names: stored(change(rows.remove_purges, names)),
        )
        return await asyncio.to_thread(
            self._mailboxes.reconcile, *_way(host, snapshot), [mail], removals, progress=progress
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
    confirmed = _confirmed(observed.held, host.name)
    if row is None or row.digest != _digest(mail_of(snapshot.blueprint, host), confirmed):
        return True
    known = snapshot.hosts.get(host.name)
    if known is not None and row.configured != known.applied_digest:
        return True
    soon = host.name in observed.unpurged or (row.trouble is not None and row.trouble.retryable)
    return observed.now - row.at >= (RETRIED if soon else AGAIN)


def _verdict(
    host: Host,
    row: rows.Identity | None,
    confirmed: Collection[str],
    domain: str | None,
    domains: Sequence[str],
    snapshot: Snapshot,
) -> Verdict:
    """Return the verdict on a host, or on one of its domains.

    Where Mailu was not reached, nothing is known: mail may flow as before.
    """
    if host.mail is not MailboxServer.MAILU or host.is_retired:
        return ok("NoMailu", "people do not log in on its host")
    if row is None or row.digest != _digest(mail_of(snapshot.blueprint, host), confirmed):
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


def _confirmed(held: Sequence[HeldMail], host: str) -> frozenset[str]:
    """Return the mailboxes of a host whose mail may be destroyed."""
    return frozenset(each.address for each in held if each.host == host and each.confirmed)


def _digest(mail: TenantMail, confirmed: Collection[str]) -> str:
    content = repr((mail, sorted(confirmed)))
    return hashlib.sha256(content.encode()).hexdigest()
