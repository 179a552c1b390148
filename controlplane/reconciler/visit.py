"""One visit: look, do the next needed thing, say what is known. Nothing is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from blueprint.render import render
from controlplane.conditions import repository as condition_rows
from controlplane.conditions.model import (
    HOSTS_UNAVAILABLE,
    OF_ADDRESS,
    OF_DOMAIN,
    OF_HOST,
    OF_TENANT,
    STEPS,
    TENANT,
    Conditions,
    Status,
    Type,
    Verdict,
    bad,
    ok,
    unknown,
)
from controlplane.database import CONTROLLER
from controlplane.events.repository import emit
from controlplane.hosts import repository as host_rows
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.activation import Activation
from controlplane.reconciler.checks import Dns, Verification, camel
from controlplane.reconciler.cloud import Cloud
from controlplane.reconciler.configuration import Configuration
from controlplane.reconciler.context import Context, LeaseLost, Ports, Stopping
from controlplane.reconciler.deletion import delete
from controlplane.reconciler.keys import Keys
from controlplane.reconciler.ports import ProvisioningError
from controlplane.reconciler.secrets import SecretStore
from controlplane.schedule.repository import Lease, renew
from controlplane.tenants import repository
from controlplane.tenants.repository import Pause, TenantRow
from kit.faults import Fault

log = structlog.get_logger()
ABOUT = {
    "keys": Type.INFRASTRUCTURE,
    "cloud": Type.INFRASTRUCTURE,
    "dns": Type.DNS,
    "configuration": Type.CONFIGURED,
    "verification": Type.VERIFIED,
    "activation": Type.SENDING,
}
"""The condition that says how a phase went."""


class Phase(Protocol):
    """A step of a visit; observes first, and converges only what differs."""

    name: str

    async def run(self, context: Context) -> None:
        """Raises ProvisioningError for what cannot be done now."""


@dataclass(frozen=True)
class Result:
    """How a visit ended: `settled` until the next look, `again` soon, `stalled` until a wish."""

    kind: str


SETTLED, AGAIN, STALLED, GONE, LEFT = (
    Result(kind) for kind in ("settled", "again", "stalled", "gone", "left")
)


async def visit(ports: Ports, lease: Lease, stop: asyncio.Event) -> Result:
    """Visit a tenant whose lease is held."""
    try:
        context = await _open(ports, lease, stop)
        if context is None:
            return GONE
        async with _heartbeat(context):
            return await _visit(context)
    except LeaseLost:
        log.warning("lease lost", tenant_id=str(lease.tenant_id), token=lease.token)
        return LEFT


async def _open(ports: Ports, lease: Lease, stop: asyncio.Event) -> Context | None:
    """Read all that is known, and close what a dead process left open."""
    async with ports.database.begin(CONTROLLER) as connection:
        now = ports.clock()
        tenant = await repository.get(connection, lease.tenant_id)
        if tenant is None:
            return None
        if not await renew(connection, lease, now=now, lease=ports.settings.lease):
            raise LeaseLost
        for id_ in await operation_rows.abort_unfinished(connection, tenant.id, now=now):
            await emit(
                connection,
                tenant_id=tenant.id,
                tenant=tenant.name,
                at=now,
                subject=TENANT,
                kind="operation",
                reason="Aborted",
                message=f"operation {id_} was cut off; looking at what it did",
            )
        known = await condition_rows.load(connection, tenant.id)
        secrets = await SecretStore.load(connection, ports.vault, tenant.id)
        hosts = await host_rows.load(connection, tenant.id)
    conditions = Conditions(known, generation=tenant.generation, clock=ports.clock)
    return Context(ports, tenant, conditions, secrets, hosts, lease, stop)


async def _visit(context: Context) -> Result:
    tenant, conditions = context.tenant, context.conditions
    subjects = _subjects(tenant, context.ports)
    conditions.begin(subjects)
    context.subjects = list(subjects)
    conditions.set(TENANT, Type.PAUSED, _paused(tenant.paused))
    conditions.set(TENANT, Type.DELETING, _flag(tenant.deleting, "Deleting"))
    if tenant.paused:
        conditions.mark_resting("Paused", tenant.paused.sentence)
        await context.save()
        return SETTLED
    try:
        if tenant.deleting:
            with _explained(context, "deletion"):
                await delete(context)
            return GONE
        await _run(context)
        result = _conclude(context)
    except (Fault, ProvisioningError) as error:
        result = _failed(context, error)
    except Stopping:
        await context.save()
        return AGAIN
    await context.save()
    async with context.begin() as connection:
        await repository.set_observed(connection, tenant.id, tenant.generation)
    return result


async def _run(context: Context) -> None:
    if context.tenant.generation != context.tenant.observed_generation:
        context.conditions.mark_reconciling(
            "NewGeneration", f"generation {context.tenant.generation} is on its way"
        )
    await context.save()
    for phase in _phases(context):
        await context.guard()
        try:
            with _explained(context, f"phase {phase.name}"):
                await phase.run(context)
        except (Fault, ProvisioningError) as error:
            verdict = bad(camel(str(error.code)), error.sentence)
            context.conditions.set(TENANT, ABOUT[phase.name], verdict)
            raise
        _sum_up(context)
        await context.save()


@contextmanager
def _explained(context: Context, what: str) -> Iterator[None]:
    """Let nothing but errors with code and remedy out; what they stand for is in the log."""
    try:
        yield
    except (Fault, ProvisioningError, LeaseLost, Stopping):
        raise
    except Exception as error:
        log.exception("visit failed", tenant=context.tenant.name, what=what)
        raise ProvisioningError(
            getattr(error, "code", "internal"),
            f"{what} failed on our side ({type(error).__name__})",
            remedy=getattr(error, "remedy", "see the log; it is tried again"),
        ) from error


def _phases(context: Context) -> Sequence[Phase]:
    before: list[Phase] = [Keys(), Cloud(), Dns()]
    configurator = context.ports.configurator
    if configurator is None:
        return before
    return [*before, Configuration(configurator), Verification(), Activation()]


def _conclude(context: Context) -> Result:
    """Say what all phases together have reached."""
    conditions = context.conditions
    conditions.set(TENANT, Type.IDENTITY, unknown("NoMailServer", "no mailbox server is installed"))
    if context.ports.configurator is None:
        message = f"real hosts cannot run here: {context.ports.hosts_missing}"
        for subject, types in _subjects(context.tenant, context.ports).items():
            for type_ in {Type.CONFIGURED, Type.VERIFIED, Type.SENDING} & set(types):
                conditions.set(subject, type_, unknown(HOSTS_UNAVAILABLE, message))
        _sum_up(context)
        conditions.mark_resting(HOSTS_UNAVAILABLE, message)
        return AGAIN if context.waits else SETTLED
    for type_ in STEPS:
        found = conditions.get(TENANT, type_)
        if found is None or found.status is not Status.TRUE:
            reason = found.reason if found else "Unknown"
            conditions.mark_reconciling(reason, f"{type_}: {found.message if found else ''}")
            return AGAIN
    sending = conditions.get(TENANT, Type.SENDING)
    conditions.mark_ready(sending.message if sending else "")
    return AGAIN if context.waits else SETTLED


def _failed(context: Context, error: Fault | ProvisioningError) -> Result:
    code, message = str(error.code), error.sentence
    log.warning("visit failed", tenant=context.tenant.name, code=code, error=error.located)
    if error.retryable:
        context.conditions.mark_reconciling(camel(code), message)
        return AGAIN
    context.conditions.mark_stalled(camel(code), message)
    return STALLED


def _sum_up(context: Context) -> None:
    """Set Ready of each host, address and domain from its other conditions."""
    conditions = context.conditions
    for subject, types in _subjects(context.tenant, context.ports).items():
        if subject == TENANT:
            continue
        parts = [conditions.get(subject, type_) for type_ in types if type_ is not Type.READY]
        wrong = next((c for c in parts if c is not None and c.status is not Status.TRUE), None)
        if wrong is None:
            conditions.set(subject, Type.READY, ok("Ready"))
        elif wrong.status is Status.FALSE:
            conditions.set(subject, Type.READY, bad(wrong.reason, wrong.message))
        else:
            conditions.set(subject, Type.READY, unknown(wrong.reason, wrong.message))


def _subjects(tenant: TenantRow, ports: Ports) -> dict[str, Sequence[Type]]:
    plan = render(tenant.document, platform=ports.platform, keys=None, generation=tenant.generation)
    subjects: dict[str, Sequence[Type]] = {TENANT: OF_TENANT}
    for host in plan.hosts:
        subjects[f"host/{host.name}"] = OF_HOST
        subjects |= {f"address/{address.name}": OF_ADDRESS for address in host.addresses}
    return subjects | {f"domain/{domain.name}": OF_DOMAIN for domain in plan.domains}


def _paused(pause: Pause | None) -> Verdict:
    return bad("NotPaused", "") if pause is None else ok("Paused", pause.sentence)


def _flag(value: bool, reason: str) -> Verdict:
    return ok(reason, "asked for") if value else bad(f"Not{reason}", "")


@asynccontextmanager
async def _heartbeat(context: Context) -> AsyncIterator[None]:
    """Keep the lease while a phase takes long; losing it is noticed before the next step."""
    beating = asyncio.create_task(_beat(context))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def _beat(context: Context) -> None:
    """Give signs of life; several fit into a lease, so that a failed one costs nothing."""
    tenant, pause = context.tenant.name, context.ports.settings.lease.total_seconds() / 6
    while True:
        await asyncio.sleep(pause)
        try:
            if not await context.renew():
                log.warning("lease lost", tenant=tenant)
                return
        except Exception as error:  # noqa: BLE001 - the database may be back at the next
            log.warning("lease not renewed", tenant=tenant, error=type(error).__name__)
