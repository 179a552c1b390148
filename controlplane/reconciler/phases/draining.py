"""Phase `draining`: keeps what the document no longer wants until its hosts have sent all mail."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog

from blueprint.naming import return_path
from controlplane.conditions.model import TENANT, Verdict, bad, ok
from controlplane.reconciler.faults import DRAINING
from controlplane.reconciler.mail_ports import Spooled, Spools
from controlplane.reconciler.marking import say
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import CloudEngine, Login, ObservedHost, Progress
from controlplane.reconciler.purposes import SSH
from controlplane.reconciler.rest import ALWAYS, NEVER
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row
from controlplane.reconciler.waiting import Waiting, WaitingAddress, WaitingDomain
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority
from controlplane.tenants.draining import Draining as DrainingAddress
from controlplane.tenants.draining_domains import DrainingDomain
from kit.faults import Fault
from sender import draining as sender
from sender.directory import closed

log = structlog.get_logger()


@dataclass(frozen=True)
class Look:
    """What one host has to send."""

    spooled: Spooled = field(default_factory=Spooled)
    trouble: str = ""
    """Why it could not be asked."""


Observed = Sequence[Waiting]


class Draining(Phase[Observed]):
    """Asks the hosts of addresses that drain, and for mail of domains that drain all of them.

    What has nothing to send is released: it is no longer in the blueprint of the next pass, which
    removes it.
    """

    row = Row(
        name="draining",
        condition="Drained",
        about="no address or domain that was taken out of the document is kept for mail that hosts "
        "have to send",
        subjects=frozenset({Kind.TENANT}),
        needs=("keys", "cloud"),
        required=False,
    )

    def __init__(self, engine: CloudEngine, spools: Spools, *, limit: timedelta) -> None:
        """`limit` is how long an address or a domain is kept."""
        self._engine = engine
        self._spools = spools
        self._limit = limit

    async def observe(self, snapshot: Snapshot, session: Session) -> Observed:
        """Return what is to be sent: first what the sender hands over, then what hosts have.

        A host that goes stays until each host of the document was configured once: one of them may
        be what it was renamed to.
        """
        observed = await self._observe(snapshot, session, snapshot.draining_domains)
        successors, going = _never_configured(snapshot), _going(snapshot)
        return [
            replace(waiting, successors=successors) if waiting.name in going else waiting
            for waiting in observed
        ]

    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return whether nothing is kept."""
        if observed:
            return {TENANT: self._verdict(observed)}
        domains = {subject(Kind.DOMAIN, d.name) for d in snapshot.blueprint.draining_domains}
        if released := snapshot.retired | domains:
            names = ", ".join(sorted(released))
            return {TENANT: bad("Released", f"removed by the next pass: {names}")}
        return {TENANT: ok("NothingKept")}

    def steps(self, observed: Observed, snapshot: Snapshot) -> Sequence[Step]:
        """Release what has nothing to send, or was kept for long enough."""
        del snapshot
        return [Step()] if any(waiting.may_be_released for waiting in observed) else []

    def holds_until(self, observed: Observed, snapshot: Snapshot) -> datetime:
        """Return that nothing changes while nothing drains."""
        del snapshot
        return NEVER if observed else ALWAYS

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Release addresses and domains, and request the pass that removes them."""
        del step, progress
        await self._release(await self.observe(snapshot, session), snapshot, session)

    async def remove(self, snapshot: Snapshot, session: Session) -> None:
        """Raise while hosts of a deleted tenant have mail to send.

        What was released stays so: after the first attempt to remove hosts some may be gone. All
        records are there until the hosts are removed, so that no domain is waited for.
        """
        name = snapshot.tenant.name
        snapshot.cloud = await asyncio.to_thread(self._engine.state, name)
        observed = await self._observe(snapshot, session, ())
        await self._release(observed, snapshot, session)
        left = [waiting for waiting in observed if not waiting.may_be_released]
        if left:
            verdict = self._verdict(left)
            snapshot.conditions.set(TENANT, self.row.condition, verdict)
            raise DRAINING(tenant=name, what=verdict.message)
        snapshot.conditions.set(TENANT, self.row.condition, ok("NothingKept"))

    async def _observe(
        self, snapshot: Snapshot, session: Session, domains: Sequence[DrainingDomain]
    ) -> Observed:
        addresses = [row for row in snapshot.draining if not row.is_released]
        names = [row.address for row in addresses] + [closed(row.name) for row in domains]
        if not names:
            return ()
        async with session.read() as connection:
            in_hand = await sender.in_hand(
                connection, tenant_id=snapshot.tenant.id, addresses=names
            )
        concerned = {row.host.name for row in addresses}
        hosts = [host for host in snapshot.cloud.hosts if domains or host.name in concerned]
        paths = [return_path(row.name) for row in domains]
        found = await asyncio.gather(*(self._look(snapshot, host, paths) for host in hosts))
        looks = {host.name: look for host, look in zip(hosts, found, strict=True)}
        going = _going(snapshot)
        return [
            *(_address(row, in_hand, looks.get(row.host.name, Look()), going) for row in addresses),
            *(_domain(row, in_hand, looks) for row in domains),
        ]

    async def _look(
        self, snapshot: Snapshot, host: ObservedHost, return_paths: Collection[str]
    ) -> Look:
        """Ask a host of the state. One that was never configured has no mail."""
        known = snapshot.hosts.get(host.name)
        if host.primary_ip is None or known is None or known.host_key is None:
            return Look()
        login = Login(known.host_key, snapshot.secrets.open(SSH))
        names = [address.name for address in host.addresses]
        try:
            spooled = await asyncio.to_thread(self._spools.look, host, login, names, return_paths)
        except Fault as fault:
            return Look(trouble=fault.message)
        return Look(spooled)

    def _verdict(self, observed: Observed) -> Verdict:
        parts = []
        for waiting in observed:
            end = (waiting.since + self._limit).astimezone(UTC)
            what = f"{waiting.subject}: {waiting.words}"
            parts.append(f"{what}, released {end:%Y-%m-%d %H:%M} UTC at the latest")
        return bad("Draining", "; ".join(parts))

    async def _release(self, observed: Observed, snapshot: Snapshot, session: Session) -> None:
        """Release what may be, and say so."""
        tenant = snapshot.tenant
        released = [waiting for waiting in observed if waiting.may_be_released]
        if not released:
            return
        async with session.begin() as connection:
            events = [
                (waiting.subject, *await waiting.release(connection, tenant.id))
                for waiting in released
            ]
            await request_pass(connection, tenant.id, Priority.USER, now=session.clock())
            for part, reason, message in events:
                log.info("released", tenant=tenant.name, subject=part, what=message)
                await say(connection, tenant, part, reason, message, now=session.clock())
        gone = {waiting.subject for waiting in released}
        snapshot.draining = [
            replace(row, is_released=row.is_released or subject(Kind.ADDRESS, row.address) in gone)
            for row in snapshot.draining
        ]
        snapshot.draining_domains = [
            row for row in snapshot.draining_domains if subject(Kind.DOMAIN, row.name) not in gone
        ]


def _never_configured(snapshot: Snapshot) -> list[str]:
    """Return the hosts of the document that no run of the playbooks has completed."""
    return [
        subject(Kind.HOST, host.name)
        for host in snapshot.blueprint.hosts
        if not host.is_retired
        and (host.name not in snapshot.hosts or snapshot.hosts[host.name].applied_digest is None)
    ]


def _going(snapshot: Snapshot) -> set[str]:
    """Return the addresses of hosts that are not in the document any more, or of a deleted one."""
    return {
        address.name
        for host in snapshot.blueprint.hosts
        if host.is_retired or snapshot.tenant.deleting
        for address in host.addresses
    }


def _address(
    row: DrainingAddress, in_hand: Mapping[str, int | None], look: Look, going: Collection[str]
) -> Waiting:
    """Return what is left to send from an address, and of people whose host goes with it."""
    return WaitingAddress(
        row.address,
        row.since,
        row.is_over,
        in_hand[row.address],
        look.spooled.at_address.get(row.address, ()),
        f"its host cannot be asked ({look.trouble})" if look.trouble else "",
        of_people=len(look.spooled.of_people) if row.address in going else 0,
    )


def _domain(
    row: DrainingDomain, in_hand: Mapping[str, int | None], looks: Mapping[str, Look]
) -> Waiting:
    """Return what is left to send of a domain, on any host."""
    path = return_path(row.name)
    queue_ids = [
        queue_id
        for look in looks.values()
        for queue_id in look.spooled.of_return_path.get(path, ())
    ]
    troubles = [
        f"host {name} cannot be asked ({look.trouble})"
        for name, look in looks.items()
        if look.trouble
    ]
    return WaitingDomain(
        row.name,
        row.since,
        row.is_over,
        in_hand[closed(row.name)],
        queue_ids,
        ", ".join(troubles),
    )
