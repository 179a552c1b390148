"""Phase `cloud`: one Pulumi operation for hosts, addresses, reverse names and records together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog

from blueprint.document import Firewall
from controlplane.conditions.model import (
    DRIFTED,
    FOREIGN_STATE,
    PROVISIONED,
    TENANT,
    Verdict,
    bad,
    failed,
    ok,
)
from controlplane.hosts.repository import HostRow
from controlplane.operations import repository as operation_rows
from controlplane.reconciler import existence
from controlplane.reconciler.awaiting import (
    PROVISIONING,
    Awaited,
    awaited_until,
    note,
    servers_awaited,
    verdict_of,
)
from controlplane.reconciler.drift import is_foreign, note_unlisted, stopped_servers
from controlplane.reconciler.faults import (
    FOREIGN_UPDATE,
    MAIN_ADDRESS_MOVED,
    NOT_GONE,
    SERVER_GONE,
    STACK_EMPTY,
)
from controlplane.reconciler.held_mail import ended_by, forget_ended, require_consent
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import (
    CloudEngine,
    CloudState,
    ObservedHost,
    Progress,
    Server,
    Servers,
)
from controlplane.reconciler.repair import bought_again, gone_of, repair_begins
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.rewriting import NOTHING, REFRESH, Rewriting
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.spam import report_spam
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row
from controlplane.schedule.schemas import Pool
from controlplane.sweeps import repository as sweep_rows
from controlplane.tenants import repository
from kit.faults import Fault
from sender.directory import hold_back

log = structlog.get_logger()
CREATE = "create"
"""The operation of a tenant that has nothing yet."""
UNANSWERED = timedelta(minutes=1)
"""After how long it is asked again whether a server has ended that is not listed any more."""
LOST = (MAIN_ADDRESS_MOVED.reason, SERVER_GONE.reason)
"""Reasons of an address whose IP is not its own any more."""


@dataclass(frozen=True)
class Observed:
    """The stack, compared with the blueprint and with the provider."""

    settled: bool
    """Whether our last operation applied this blueprint completely."""
    moved: Mapping[str, str]
    """The main address that the provider shows of hosts where the state has another one."""
    closed: Mapping[str, Fault] = field(default_factory=dict)
    """What the firewall of a host does not let pass any more, by the host's name."""
    gone: Mapping[str, Server] = field(default_factory=dict)
    """Servers that have ended outside of this control plane, by the host's name."""
    stopped: Mapping[str, Fault] = field(default_factory=dict)
    """Servers that do not run, by the host's name."""
    awaited: Awaited = field(default_factory=dict)
    """Servers that the provider creates, by the host's name."""
    waits_until: datetime | None = None
    """Until when to wait, where all that is missing comes with them or from the portal."""
    rewrite: bool = False
    """Whether records and reverse names are to be written again: name servers show others."""


class Cloud(Phase[Observed]):
    """Observes stack and servers; updates the stack when another blueprint was applied last, or
    when a main address or a firewall was changed at the provider."""

    row = Row(
        name="cloud",
        condition="InfrastructureReady",
        about="hosts, addresses and records exist at their providers",
        subjects=frozenset({Kind.HOST, Kind.ADDRESS, Kind.DOMAIN}),
        needs=("keys",),
        pool=Pool.ENGINE,
    )

    def __init__(
        self,
        engine: CloudEngine,
        servers: Servers,
        *,
        firewall: Callable[[int, Firewall], Fault | None],
        deadline: timedelta,
        provisioning: timedelta = PROVISIONING,
        rewriting: Rewriting = NOTHING,
    ) -> None:
        """`firewall` returns what does not pass to a service and should; blocks.

        `deadline` is for one operation of the engine, `provisioning` for the provider to create a
        server. `rewriting` says what of its work others have changed.
        """
        self._provisioning = provisioning
        self._rewriting = rewriting
        self._engine = engine
        self._servers = servers
        self._firewall = firewall
        self._deadline = deadline

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return the reads of the last operations, and of servers, listed and waited for."""
        return [
            operation_rows.last_applied(tenant_id, self.row.name),
            operation_rows.last_end(tenant_id, self.row.name),
            sweep_rows.awaited(tenant_id),
            sweep_rows.listed_of(tenant_id),
            sweep_rows.shown_of(tenant_id),
        ]

    async def observe(self, snapshot: Snapshot, session: Session) -> Observed:
        """Read the stack's state; raises `cloud.foreign_update` for an unknown one, and
        `cloud.stack_empty` for one that has gone."""
        name = snapshot.tenant.name
        await session.ask(partial(self._engine.version, name))  # first: what follows is not older
        snapshot.cloud = await asyncio.to_thread(self._engine.state, name)
        await self._refuse_foreign(snapshot, session)
        servers = await self._look(snapshot, session)
        report_spam(servers, snapshot)
        moved = _moved(servers, snapshot)
        snapshot.drift.clear()
        snapshot.is_cloud_current = snapshot.cloud.digest == snapshot.blueprint.digest
        gone = gone_of(servers)
        snapshot.is_repaired = repair_begins(snapshot, now := session.clock()) == now
        self._forget_former_addresses(moved, gone, snapshot)
        await note_unlisted(servers, snapshot, session)
        stopped = await stopped_servers(gone, self._servers, snapshot, session)
        awaited = await session.fetch(sweep_rows.awaited(snapshot.tenant.id))
        if not await self._is_applied(snapshot, session):
            return Observed(False, moved, gone=gone, stopped=stopped, awaited=awaited)
        state = snapshot.cloud
        settled = not state.pending and not state.held
        until = servers_awaited(snapshot.blueprint, awaited, session.clock())
        waits_until = await awaited_until(until, snapshot, session, self.row.name)
        if waits_until and until and not any(host.primary_ip for host in state.hosts):
            snapshot.awaits_servers_until = min(until.values())
        closed = await self._closed(gone, snapshot, session)
        rewrite = await self._rewriting.is_due(snapshot, session, self.row.name)
        return Observed(settled, moved, closed, gone, stopped, awaited, waits_until, rewrite)

    async def _is_applied(self, snapshot: Snapshot, session: Session) -> bool:
        """Return whether our last operation applied what this blueprint has for the providers, and
        none wrote the state since.

        The state's digest alone does not prove that: it is written even if a resource failed, the
        outcome of a run by hand is not reported, and a refresh by hand takes out what has gone.
        """
        state, blueprint = snapshot.cloud, snapshot.blueprint
        last = await self._last_applied(snapshot, session)
        if last is None or state.digest != last.digest:
            return False
        if blueprint.digest != last.digest and blueprint.cloud_digest != last.cloud:
            return False
        snapshot.is_cloud_current = True
        return last.state in (None, state.written)

    async def _last_applied(
        self, snapshot: Snapshot, session: Session
    ) -> operation_rows.Applied | None:
        return await session.fetch(operation_rows.last_applied(snapshot.tenant.id, self.row.name))

    async def _look(self, snapshot: Snapshot, session: Session) -> Mapping[str, Server]:
        """Return the servers of hosts that the provider shows, by host."""
        ids = {host.name: host.service_id for host in snapshot.cloud.hosts if host.service_id}
        if not ids:
            return {}
        last = await session.fetch(sweep_rows.listed_of(snapshot.tenant.id))
        shown = await session.ask(partial(self._servers.look, tuple(ids.values()), last))
        unanswered = any(last.get(id_, "") is None for id_ in ids.values() if id_ not in shown)
        snapshot.look_at = session.clock() + UNANSWERED if unanswered else None
        return {name: shown[id_] for name, id_ in ids.items() if id_ in shown}

    def _forget_former_addresses(
        self, moved: Mapping[str, str], gone: Collection[str], snapshot: Snapshot
    ) -> None:
        """Forget what was observed of an address at another IP, which it has lost or is losing."""
        for host in snapshot.cloud.hosts:
            for address in host.addresses:
                name = subject(Kind.ADDRESS, address.name)
                seen = snapshot.conditions.get(name, self.row.condition)
                was_lost = seen is not None and seen.reason in LOST
                lost = None
                if host.name in gone:
                    lost = existence.of_gone(host)
                elif host.name in moved and address == host.addresses[0]:
                    lost = existence.of_moved_address(host, moved[host.name])
                if lost is not None:
                    snapshot.drift[name] = lost.message
                    if not was_lost:
                        snapshot.begin_again(name)
                        snapshot.conditions.set(name, self.row.condition, lost)
                elif was_lost or (
                    seen is not None
                    and seen.reason == PROVISIONED
                    and address.ip not in (None, seen.message)
                ):
                    snapshot.begin_again(name)

    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return for each host, address and domain whether it exists."""
        state, blueprint = snapshot.cloud, snapshot.blueprint
        hosts = {host.name: host for host in state.hosts}
        held = {zone.zone: zone for zone in state.held}
        verdicts: dict[str, Verdict] = {}
        for host in blueprint.hosts:
            own = hosts.get(host.name)
            cause = held.get(host.zone) or existence.held_everywhere(blueprint, held)
            wrong = observed.stopped.get(host.name) or observed.closed.get(host.name)
            created = verdict_of(observed.awaited.get(host.name), host, own)
            verdicts[subject(Kind.HOST, host.name)] = existence.of_host(own, cause, wrong, created)
            ips = {a.name: a.ip for a in own.addresses} if own else {}
            for address in host.addresses:
                ask = None if address.draining else existence.purchase_of(own)
                verdicts[subject(Kind.ADDRESS, address.name)] = existence.of_address(
                    ips.get(address.name), primary=address.index == 1, ask=ask, created=created
                )
            if own is not None and host.name in observed.moved:
                verdict = existence.of_moved_address(own, observed.moved[host.name])
                verdicts[subject(Kind.ADDRESS, host.primary.name)] = verdict
            if own is not None and host.name in observed.gone:
                parts = [subject(Kind.ADDRESS, address.name) for address in host.addresses]
                parts.append(subject(Kind.HOST, host.name))
                verdicts |= dict.fromkeys(parts, existence.of_gone(own))
                if not host.is_retired:
                    verdicts[subject(Kind.HOST, host.name)] = failed(existence.fault_of_gone(own))
        for domain in blueprint.domains:
            records = [record for record in blueprint.records if record.domain == domain.name]
            verdicts[subject(Kind.DOMAIN, domain.name)] = existence.of_records(records, state, held)
        for name in held.keys() - {record.zone for record in blueprint.records}:
            # Of records that are to be deleted: no domain of the document shows it.
            verdicts[TENANT] = existence.of_held(held[name])
        return verdicts

    def steps(self, observed: Observed, snapshot: Snapshot) -> Sequence[Step]:
        """Return one operation for all; if there is nothing to do, a step that stores new hosts."""
        retired = {host.name for host in snapshot.blueprint.hosts if host.is_retired}
        again = any(one.is_forgotten for name, one in observed.gone.items() if name not in retired)
        asked = snapshot.tenant.refresh_asked_at is not None and snapshot.cloud.digest is not None
        wrong = observed.moved or observed.closed or observed.rewrite
        unbought = bought_again(observed.gone, snapshot)
        if again or asked or unbought or (snapshot.is_repaired and wrong):
            return [Step(operation=REFRESH)]
        if observed.settled or observed.waits_until:
            return [Step()] if _new_hosts(snapshot) else []
        return [Step(operation="update" if snapshot.cloud.digest else CREATE)]

    def holds_until(self, observed: Observed, snapshot: Snapshot) -> datetime:
        """Return until when new servers and addresses are waited for; when records were written is
        read each time."""
        del snapshot
        times = [row.until for row in observed.awaited.values() if not row.is_finished]
        return min([*times, observed.waits_until or ALWAYS])

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Run the engine, and store new hosts, which have no host key yet."""
        if step.operation is not None:
            blueprint, tenant_id = snapshot.blueprint, snapshot.tenant.id
            ended = ended_by(blueprint, snapshot.cloud)
            await require_consent(ended, snapshot, session)
            awaited = await session.fetch(sweep_rows.awaited(tenant_id))
            servers = await self._look(snapshot, session)
            moved = _moved(servers, snapshot)
            primaries = [host.primary.name for host in blueprint.hosts if host.name in moved]
            for service_id in bought_again(gone_of(servers), snapshot):
                await asyncio.to_thread(self._servers.forget, service_id)
            async with session.begin() as connection:
                await repository.record_digest(
                    connection, tenant_id, blueprint.digest, cloud=blueprint.cloud_digest
                )
                await hold_back(connection, tenant_id=tenant_id, addresses=primaries)
            snapshot.cloud = await asyncio.to_thread(
                self._engine.up,
                blueprint,
                progress,
                deadline=self._deadline,
                fence=session.fence,
                background=not session.was_requested,
                refreshed=step.operation == REFRESH,
                forgotten=snapshot.tenant.forgotten_zones,
                replaced=_replaced(snapshot),
                lost_pointers=self._rewriting.lost_pointers(snapshot),
            )
            async with session.begin() as connection:
                await operation_rows.record_state(
                    connection, tenant_id, self.row.name, snapshot.cloud.written
                )
                now, provisioning = session.clock(), self._provisioning
                await note(connection, snapshot, awaited, now=now, provisioning=provisioning)
            await forget_ended(ended, snapshot, session)
            if step.operation in (CREATE, REFRESH):  # what was created now is as recorded
                async with session.begin() as connection:
                    await repository.end_refresh(connection, snapshot.tenant)
            for zone in snapshot.cloud.held:
                log.warning(
                    "zone held", tenant=snapshot.tenant.name, zone=zone.zone, code=zone.code
                )
        for row in _new_hosts(snapshot):
            await session.save_host(row, snapshot.hosts)

    async def remove(self, snapshot: Snapshot, session: Session) -> None:
        """Delete everything; done when the stack's state is empty."""
        name = snapshot.tenant.name
        snapshot.cloud = await asyncio.to_thread(self._engine.state, name)
        if _has_resources(snapshot.cloud):
            await self._refuse_foreign(snapshot, session)
        await require_consent({host.name for host in snapshot.cloud.hosts}, snapshot, session)
        # Even if the state is empty: an interrupted run may have bought servers beside it.
        async with session.operation("delete", self.row.name, digest=None) as progress:
            await asyncio.to_thread(
                self._engine.destroy,
                name,
                progress,
                deadline=self._deadline,
                fence=session.fence,
                background=not session.was_requested,
                forgotten=snapshot.tenant.forgotten_zones,
            )
        snapshot.cloud = await asyncio.to_thread(self._engine.state, name)
        if _has_resources(snapshot.cloud):
            raise NOT_GONE(tenant=name)

    async def _closed(
        self, gone: Collection[str], snapshot: Snapshot, session: Session
    ) -> dict[str, Fault]:
        planned = {
            host.name: host.firewall for host in snapshot.blueprint.hosts if host.name not in gone
        }
        closed = {}
        for host in snapshot.cloud.hosts:
            if host.name in planned and host.service_id is not None and host.primary_ip:
                asked = partial(self._firewall, host.service_id, planned[host.name])
                fault = await session.ask(asked)
                if fault is not None:
                    closed[host.name] = fault
                    snapshot.drift[subject(Kind.HOST, host.name)] = fault.message
        return closed

    async def _is_ours(self, digest: str, snapshot: Snapshot, session: Session) -> bool:
        last = await self._last_applied(snapshot, session)
        if last is not None and last.digest == digest:
            return True
        async with session.read() as connection:
            return await repository.has_digest(connection, snapshot.tenant.id, digest)

    async def _refuse_foreign(self, snapshot: Snapshot, session: Session) -> None:
        """Raise for an unknown digest, or none where there was one, unless the tenant was applied
        after the report."""
        digest, conditions = snapshot.cloud.digest, snapshot.conditions
        if digest is None and (
            snapshot.tenant.deleting or await self._last_applied(snapshot, session) is None
        ):
            return
        if digest is not None and await self._is_ours(digest, snapshot, session):
            if is_foreign(conditions):
                conditions.set(TENANT, DRIFTED, bad("AsApplied", ""))
            return
        reported = conditions.get(TENANT, DRIFTED)
        acknowledged = (
            reported is not None and reported.observed_generation < snapshot.tenant.generation
        )
        # After an apply the condition stays True until our next update succeeds.
        if not (acknowledged and is_foreign(conditions)):
            fault = _foreign(snapshot, digest)
            conditions.set(TENANT, DRIFTED, ok(FOREIGN_STATE, fault.sentence))
            raise fault


def _replaced(snapshot: Snapshot) -> int | None:
    """Return the generation of a foreign state that was acknowledged, which may be higher: it is
    that of another control plane, or of this one before its database was restored."""
    return snapshot.cloud.generation if is_foreign(snapshot.conditions) else None


def _foreign(snapshot: Snapshot, digest: str | None) -> Fault:
    if digest is None:
        return STACK_EMPTY(tenant=snapshot.tenant.name)
    remedy = (
        "delete the tenant again to remove all of it"
        if snapshot.tenant.deleting
        else "apply the tenant's file again to restore its specification"
    )
    return FOREIGN_UPDATE(tenant=snapshot.tenant.name, digest=digest[:19], remedy=remedy)


def _moved(servers: Mapping[str, Server], snapshot: Snapshot) -> dict[str, str]:
    """Return the main address of servers where it is none of their addresses in the state."""
    return {
        host.name: servers[host.name].main_ip
        for host in snapshot.cloud.hosts
        if host.name in servers
        and host.primary_ip
        and servers[host.name].main_ip not in ("", *(address.ip for address in host.addresses))
    }


def _new_hosts(snapshot: Snapshot) -> list[HostRow]:
    """Return rows of existing hosts in the blueprint that have none yet."""
    planned = {host.name: host for host in snapshot.blueprint.hosts}
    return [
        HostRow(host.name, planned[host.name].incarnation, host.service_id, None, None)
        for host in snapshot.cloud.hosts
        if host.name in planned and not _is_stored(host, snapshot)
    ]


def _is_stored(host: ObservedHost, snapshot: Snapshot) -> bool:
    row = snapshot.hosts.get(host.name)
    return row is not None and row.service_id == host.service_id


def _has_resources(state: CloudState) -> bool:
    return state.digest is not None or bool(state.hosts) or bool(state.records)
