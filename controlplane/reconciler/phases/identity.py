"""Phase `identity`: the domains, mailboxes and aliases of hosts with Mailu.

A pass only reads what the last operation has left. An operation of a host runs after a change,
after its playbooks have run, and on a slow schedule; what kept one from ending is tried later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from blueprint.document import Host
from blueprint.mail_address import domain_of
from controlplane.conditions.model import Ask, Verdict, ask_of, bad, ok, unknown
from controlplane.hosts import held_mail
from controlplane.hosts import identities as rows
from controlplane.hosts.held_mail import HeldMail
from controlplane.hosts.identities import Noted, noted
from controlplane.mailboxes import repository
from controlplane.mailboxes.answering import refused
from controlplane.mailu import faults
from controlplane.mailu.comparison import Plan
from controlplane.mailu.declared import TenantMail
from controlplane.mailu.of_blueprint import mail_of
from controlplane.mailu.own_tokens import OwnTokens
from controlplane.mailu.reconciling import Removals
from controlplane.mailu.stopping import Stops
from controlplane.reconciler.mail_ports import Mailboxes
from controlplane.reconciler.moved_mail import lacking_nothing
from controlplane.reconciler.peoples_stops import stopped
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Login, ObservedHost, Progress
from controlplane.reconciler.purposes import SSH, mailbox_token, mailu_token
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row
from controlplane.schedule.schemas import Pool
from kit.faults import Actor, Fault
from sender.schemas import Stop
from sender.stops import stops_of, stops_reading

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
    stops: Sequence[Stop] = ()


class Identity(Phase[Observed]):
    """Brings each host to what the tenant declares for it."""

    row = Row(
        name="identity",
        condition="IdentityReady",
        about="hosts with Mailu have the domains, mailboxes and aliases of the document, and sign "
        "with the published keys",
        subjects=frozenset({Kind.HOST, Kind.DOMAIN}),
        needs=("keys", "cloud", "configuration"),
        pool=Pool.HOSTS,
    )

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return the reads of what the last operations have left."""
        return [
            rows.reading(tenant_id),
            repository.reading(tenant_id),
            rows.unpurged_hosts(tenant_id),
            held_mail.reading(tenant_id),
            stops_reading(tenant_id),
        ]

    async def observe(self, snapshot: Snapshot, session: Session) -> Observed:
        """Read what the last operations have left; nothing of a tenant without Mailu."""
        if not any(host.has_mailu for host in snapshot.blueprint.hosts):
            return Observed({}, session.clock())
        tenant_id = snapshot.tenant.id
        found = await session.fetch(rows.reading(tenant_id))
        questions = await session.fetch(repository.reading(tenant_id))
        unpurged = await session.fetch(rows.unpurged_hosts(tenant_id))
        held = await session.fetch(held_mail.reading(tenant_id))
        stops = await session.fetch(stops_reading(tenant_id))
        asked = frozenset(question.host for question in questions)
        return Observed(found, session.clock(), asked, unpurged, held, stops)

    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return a verdict for each host and domain; that of a host is about all else there."""
        verdicts: dict[str, Verdict] = {}
        for host in snapshot.blueprint.hosts:
            own = [domain.name for domain in snapshot.blueprint.domains if domain.is_on(host)]
            common = _verdict_on_all(host, observed, snapshot)
            findings = () if common else observed.rows[host.name].findings
            parts: dict[str, str | None] = {subject(Kind.HOST, host.name): None}
            parts |= {subject(Kind.DOMAIN, name): name for name in own}
            for part, domain in parts.items():
                concerned = [each for each in findings if _concerned(each, own) == domain]
                verdicts[part] = common or _verdict(concerned)
                common = common and replace(common, ask=None)  # the host, which is first, asks
        return verdicts

    def steps(self, observed: Observed, snapshot: Snapshot) -> Sequence[Step]:
        """Return the hosts whose turn it is, and those about which something is asked.

        First a stop: it waits for nothing.
        """
        steps = []
        for host in _hosts(snapshot):
            part, mail = subject(Kind.HOST, host.name), mail_of(snapshot.blueprint, host)
            if _stops_differ(host, mail, observed):
                steps.append(_stop_step(host))
            elif host.is_retired:
                continue
            elif _is_due(host, mail, observed, snapshot):
                steps.append(Step(part, operation="identify"))
            elif host.name in observed.asked:
                steps.append(Step(part, operation="answer", maintenance=True))
        return steps

    async def urgent_steps(self, snapshot: Snapshot, session: Session) -> Sequence[Step]:
        """Return the hosts whose stops have changed since the pass began, too."""
        hosts = _hosts(snapshot)
        if not hosts:
            return ()
        tenant_id = snapshot.tenant.id
        async with session.read() as connection:
            found = await rows.load(connection, tenant_id)
            held = await held_mail.load(connection, tenant_id)
            stops = await stops_of(connection, tenant_id)
        observed = Observed(found, session.clock(), held=held, stops=stops)
        return [
            _stop_step(host)
            for host in hosts
            if _stops_differ(host, mail_of(snapshot.blueprint, host), observed)
        ]

    def holds_until(self, observed: Observed, snapshot: Snapshot) -> datetime:
        """Return when the next operation on a host is due."""
        del snapshot
        times = (row.at + wait for row in observed.rows.values() for wait in (RETRIED, AGAIN))
        return min((at for at in times if at > observed.now), default=ALWAYS)

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Stop or reconcile one host, and answer what is asked about its mailboxes."""
        name = step.subject.partition("/")[2]
        [host] = [host for host in snapshot.blueprint.hosts if host.name == name]
        kept = None
        if step.operation == "stop":
            await self._stop(host, snapshot, session, progress)
        elif step.operation == "identify":
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
            await held_mail.expect(
                connection, tenant, name, [box.address for box in mail.mailboxes]
            )
            confirmed = _confirmed(await held_mail.load(connection, tenant), name)
        applied = snapshot.hosts[name].applied_digest
        row = rows.Identity(name, _digest(mail, confirmed), applied, session.clock())
        try:
            plan = await self._reconciled(host, mail, confirmed, snapshot, session, progress)
            stopped_now = await self._stop(host, snapshot, session, progress)
            has_moved = await self._move(host, mail, plan, snapshot, session, progress)
        except Fault as fault:
            progress(f"{name}: {fault.sentence}")
            async with session.begin() as connection:
                await rows.save(connection, tenant, replace(row, trouble=noted("", fault)))
            return None
        row = replace(
            row,
            # A host whose mail was moved is looked at again when it takes mail.
            digest="" if has_moved else _digest(mail, confirmed & plan.mail.keys()),
            findings=tuple(noted(found.subject, found.fault) for found in plan.findings),
            stopped=stopped_now,
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
        async with session.read() as connection:
            unpurged = await rows.unpurged(connection, snapshot.tenant.id, host.name)
        store = _storing(host, snapshot, session)
        removals = Removals(
            confirmed,
            unpurged,
            lambda removal: store(rows.add_purges, {removal.key, *removal.users}),
            lambda names: store(rows.remove_purges, names),
        )
        return await asyncio.to_thread(
            self._mailboxes.reconcile,
            *_way(host, snapshot, session),
            [mail],
            removals,
            _own_tokens(mail, snapshot, session),
            progress=progress,
        )

    async def _move(
        self,
        host: Host,
        mail: TenantMail,
        plan: Plan,
        snapshot: Snapshot,
        session: Session,
        progress: Progress,
    ) -> bool:
        """Move the mail of a host that has got Mailu into its mailboxes, once all of them exist.

        Raises a fault otherwise. Return whether something was to be moved.
        """
        row = snapshot.hosts[host.name]
        if not row.moves_mail:
            return False
        addresses = lacking_nothing(snapshot.blueprint, host, mail, plan)
        observed, login, _ = _way(host, snapshot, session)
        await asyncio.to_thread(self._mailboxes.move, observed, login, addresses, progress=progress)
        await session.save_host(replace(row, moves_mail=False), snapshot.hosts)
        return True

    async def _stop(
        self, host: Host, snapshot: Snapshot, session: Session, progress: Progress
    ) -> frozenset[str]:
        """Stop and start what is to be by now, and nothing else; raises a fault.

        Return what is stopped. What is kept of it is what the host has: one after the other.
        """
        async with session.lock(f"stops of {host.name}"):
            stops = await _stops(mail_of(snapshot.blueprint, host), host, snapshot, session)
            if stops.wanted or stops.closed:
                way = _way(host, snapshot, session)
                await asyncio.to_thread(self._mailboxes.stop, *way, stops, progress=progress)
            wanted = frozenset(stops.wanted)
            async with session.begin() as connection:
                await rows.save_stopped(connection, snapshot.tenant.id, host.name, wanted)
        return wanted

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
                self._mailboxes.answer, *_way(host, snapshot, session), snapshot.tenant.name, taken
            )
        except Fault as fault:
            given = [refused(fault) for _ in taken]
        async with session.begin() as connection:
            for question, answer in zip(taken, given, strict=True):
                await repository.answer(connection, question, answer)
                progress(f"{host.name}: {question.action} of {question.address}")


def _own_tokens(mail: TenantMail, snapshot: Snapshot, session: Session) -> OwnTokens:
    """Return the tokens of our mailboxes, each of which is sealed before it is used."""
    loop = asyncio.get_running_loop()
    kept = {
        domain.name: snapshot.secrets.find(mailbox_token(domain.name)) for domain in mail.domains
    }

    async def seal(domain: str, name: str, secret: str) -> None:
        created = {mailbox_token(domain): (secret, {"name": name})}
        async with session.begin() as connection:
            await snapshot.secrets.save(connection, created, now=session.clock())

    def keep(domain: str, name: str, secret: str) -> None:
        asyncio.run_coroutine_threadsafe(seal(domain, name, secret), loop).result()

    names = {domain: token.public["name"] if token else "" for domain, token in kept.items()}
    return OwnTokens(snapshot.tenant.name, names, keep)


def _storing(host: Host, snapshot: Snapshot, session: Session) -> Callable[..., None]:
    """Return what a thread stores changes of a host's rows with, before it goes on."""
    loop = asyncio.get_running_loop()

    async def change(act: Callable[..., Coroutine[None, None, None]], what: object) -> None:
        async with session.begin() as connection:
            await act(connection, snapshot.tenant.id, host.name, what)

    def store(act: Callable[..., Coroutine[None, None, None]], what: object) -> None:
        asyncio.run_coroutine_threadsafe(change(act, what), loop).result()

    return store


async def _stops(mail: TenantMail, host: Host, snapshot: Snapshot, session: Session) -> Stops:
    """Return what is stopped now on a host: a stop may be younger than the pass."""
    async with session.read() as connection:
        stops = await stops_of(connection, snapshot.tenant.id)
        held = await held_mail.load(connection, snapshot.tenant.id)
        closed = await rows.closed(connection, snapshot.tenant.id, host.name)
    store = _storing(host, snapshot, session)
    return Stops(
        snapshot.tenant.name,
        stopped(host.name, mail, held, stops),
        closed,
        partial(store, rows.add_closed),
        partial(store, rows.remove_closed),
    )


def _way(host: Host, snapshot: Snapshot, session: Session) -> tuple[ObservedHost, Login, str]:
    """Return how Mailu of a host is reached."""
    [observed] = [each for each in snapshot.cloud.hosts if each.name == host.name]
    key = snapshot.secrets.open(SSH)
    login = Login(snapshot.hosts[host.name].host_key or "", key, session.fence)
    return observed, login, snapshot.secrets.open(mailu_token(host.name))


def _hosts(snapshot: Snapshot) -> list[Host]:
    """Return the hosts with Mailu that exist, also those that are kept until they are drained."""
    existing = {host.name for host in snapshot.cloud.hosts if host.primary_ip is not None}
    return [host for host in snapshot.blueprint.hosts if host.has_mailu and host.name in existing]


def _stops_differ(host: Host, mail: TenantMail, observed: Observed) -> bool:
    """Return whether something else is stopped than what was stopped on a host."""
    row = observed.rows.get(host.name)
    wanted = stopped(host.name, mail, observed.held, observed.stops)
    return row is not None and row.stopped != wanted


def _stop_step(host: Host) -> Step:
    part = subject(Kind.HOST, host.name)
    return Step(part, operation="stop", maintenance=True, urgent=True)


def _is_due(host: Host, mail: TenantMail, observed: Observed, snapshot: Snapshot) -> bool:
    row = observed.rows.get(host.name)
    if row is None or row.digest != _digest(mail, _confirmed(observed.held, host.name)):
        return True
    known = snapshot.hosts.get(host.name)
    if known is not None and row.configured != known.applied_digest:
        return True
    soon = host.name in observed.unpurged or (row.trouble is not None and row.trouble.retryable)
    return observed.now - row.at >= (RETRIED if soon else AGAIN)


def _verdict_on_all(host: Host, observed: Observed, snapshot: Snapshot) -> Verdict | None:
    """Return the verdict on a host and all its domains; None where each has its own.

    Where Mailu was not reached, nothing is known: mail may flow as before.
    """
    if not host.has_mailu or host.is_retired:
        return ok("NoMailu", "people do not log in on its host")
    row, confirmed = observed.rows.get(host.name), _confirmed(observed.held, host.name)
    if row is None or row.digest != _digest(mail_of(snapshot.blueprint, host), confirmed):
        return unknown("NotReconciled", "the document was not brought to the host yet")
    if row.trouble is not None:
        judge = unknown if row.trouble.retryable else bad
        return judge(row.trouble.reason, row.trouble.sentence, ask=_ask(row.trouble))
    return None


def _verdict(findings: Sequence[Noted]) -> Verdict:
    """Return the verdict on a host, or on one of its domains, by what was found about it."""
    wrong = [each for each in findings if each.code not in REMARKS]
    if wrong:
        return bad(wrong[0].reason, wrong[0].sentence, ask=_ask(wrong[0]))
    return ok(RECONCILED, ". ".join(each.sentence for each in findings))


def _ask(cause: Noted) -> Ask | None:
    return ask_of(Actor(cause.acts), cause.remedy)


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
