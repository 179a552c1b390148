"""Changes of the desired state of tenants, and their rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from blueprint.cost import cost_of
from blueprint.document import Blueprint
from blueprint.loading import check_limits
from blueprint.platform import Platform
from blueprint.render import render
from blueprint.tenant import Tenant
from controlplane.conditions import repository as conditions
from controlplane.conditions.model import (
    DRIFTED,
    FOREIGN_STATE,
    READY,
    STALLED,
    TENANT,
    Condition,
    Status,
)
from controlplane.events.repository import emit
from controlplane.faults import (
    DOMAIN_TAKEN,
    KEYS_PENDING,
    NOT_FOUND,
    TENANT_DELETING,
    TENANT_EXISTS,
    TENANT_MISSING,
    TENANT_WRONG_NAME,
)
from controlplane.hosts import repository as host_rows
from controlplane.identity.access import Access
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority
from controlplane.tenants import claims, destroying, draining, draining_domains, repository
from controlplane.tenants.mail_servers import check_mail_servers, with_mail_servers
from controlplane.tenants.preconditions import Precondition
from controlplane.tenants.rendering import render_before_a_pass
from controlplane.tenants.repository import TenantRow
from controlplane.tenants.schemas import ConditionView, PauseView, TenantView

Outcome = Literal["created", "configured", "unchanged"]


@dataclass(frozen=True)
class Agreement:
    """What an apply may destroy; the platform decides on which host a mailbox is."""

    platform: Platform
    destroys_mail: bool
    discards: int | None = None
    """How many mails may go with Mailu of a host."""


async def find(connection: AsyncConnection, name: str, *, for_update: bool = False) -> TenantRow:
    """Return a tenant; one that the key may not see is not found."""
    row = await repository.find(connection, name, for_update=for_update)
    if row is None:
        raise NOT_FOUND(kind="tenant", name=name, plural="tenants")
    return row


async def of_request(connection: AsyncConnection, access: Access, name: str | None) -> TenantRow:
    """Return the tenant that a request names, or that its key belongs to."""
    if name is not None:
        return await find(connection, name)
    row = None
    if access.tenant_id is not None:
        row = await repository.get(connection, access.tenant_id)
    if row is None:
        raise TENANT_MISSING()
    return row


async def create(
    connection: AsyncConnection, document: Tenant, platform: Platform, *, now: datetime
) -> TenantRow:
    """Store a new tenant and request its first pass."""
    row = await _insert(connection, document, platform, now=now)
    if row is None:
        raise TENANT_EXISTS(name=document.metadata.name)
    return row


async def apply(
    connection: AsyncConnection,
    name: str,
    document: Tenant,
    expected: Precondition,
    *,
    may_create: bool,
    agreed: Agreement,
    now: datetime,
) -> tuple[TenantRow, Outcome]:
    """Write the document of an existing or new tenant; an equal document changes nothing."""
    if document.metadata.name != name:
        raise TENANT_WRONG_NAME(actual=document.metadata.name, name=name)
    row = await repository.find(connection, name, for_update=True)
    if row is None and not may_create:
        raise NOT_FOUND(kind="tenant", name=name, plural="tenants")
    expected.check(name, row)
    if row is None:
        if (created := await _insert(connection, document, agreed.platform, now=now)) is not None:
            return created, "created"
        # Another request has created it in the meantime.
        row = await find(connection, name, for_update=True)
        expected.check(name, row)
    return await _replace(connection, row, document, agreed, now=now)


async def _insert(
    connection: AsyncConnection, document: Tenant, platform: Platform, *, now: datetime
) -> TenantRow | None:
    document = await with_mail_servers(connection, document, None, platform)
    row = await repository.insert(connection, uuid7(), document, now=now)
    if row is not None:
        check_limits(document, None)
        await check_mail_servers(connection, document, row)
        await _claim_domains(connection, row.id, document)
        await request_pass(connection, row.id, Priority.USER, now=now)
        await _record(connection, row.id, row.name, now, "Created", "generation 1")
    return row


async def _replace(
    connection: AsyncConnection,
    row: TenantRow,
    document: Tenant,
    agreed: Agreement,
    *,
    now: datetime,
) -> tuple[TenantRow, Outcome]:
    """Write a new specification.

    After an external change of the cloud, applying the same document requests its repair by a
    new generation.
    """
    if row.deleting:
        raise TENANT_DELETING(name=row.name)
    document = await with_mail_servers(connection, document, row, agreed.platform)
    if row.document == document and not await _awaits_apply(connection, row):
        if not await _is_true(connection, row, READY):
            await request_pass(connection, row.id, Priority.USER, now=now)
        return row, "unchanged"
    check_limits(document, row.document)
    await check_mail_servers(connection, document, row)
    kept = render(document, platform=agreed.platform, keys=None, generation=row.generation)
    await destroying.agree(
        connection, row.id, kept, is_agreed=agreed.destroys_mail, discards=agreed.discards
    )
    await _claim_domains(connection, row.id, document)
    row = await repository.replace(connection, row, document, now)
    await request_pass(connection, row.id, Priority.USER, now=now)
    await _record(connection, row.id, row.name, now, "Configured", f"generation {row.generation}")
    return row, "configured"


async def retry(
    connection: AsyncConnection, name: str, agreed: Agreement, *, now: datetime
) -> TenantRow:
    """Request a pass at which nothing that has failed is left out."""
    row = await find(connection, name, for_update=True)
    if row.deleting:
        return await delete(connection, name, destroys_mail=agreed.destroys_mail, now=now)
    row, _ = await _replace(connection, row, row.document, agreed, now=now)
    await request_pass(connection, row.id, Priority.USER, now=now)
    return row


async def end_draining_for(connection: AsyncConnection, document: Tenant, *, now: datetime) -> None:
    """Let domains be free soon that a document was refused only since their records are kept."""
    row = await repository.find(connection, document.metadata.name)
    tenant_id = row.id if row else uuid7()
    await claims.end_draining(connection, tenant_id, document.spec.domains, now=now)


async def preview(connection: AsyncConnection, document: Tenant, platform: Platform) -> Blueprint:
    """Render a document as the next generation; raises what a request to store it would raise."""
    row = await repository.find(connection, document.metadata.name)
    document = await with_mail_servers(connection, document, row, platform)
    if row is not None and row.document != document and row.deleting:
        raise TENANT_DELETING(name=row.name)
    if row is None or row.document != document:
        check_limits(document, row.document if row else None)
        await check_mail_servers(connection, document, row)
        tenant_id = row.id if row else uuid7()
        _require_free(document, await claims.taken(connection, tenant_id, document.spec.domains))
    return render(
        document,
        platform=platform,
        keys=row.public_keys if row else None,
        generation=row.generation + 1 if row else 1,
    )


async def delete(
    connection: AsyncConnection, name: str, *, destroys_mail: bool, now: datetime
) -> TenantRow:
    """Request the deletion of a tenant; it stays visible until all is observed to be deleted.

    A repeated request resumes a deletion that has stalled.
    """
    row = await find(connection, name, for_update=True)
    await destroying.agree(connection, row.id, None, is_agreed=destroys_mail)
    requested = not row.deleting or await _awaits_apply(connection, row)
    if requested:
        await repository.mark_deleting(connection, row, now)
    await request_pass(connection, row.id, Priority.USER, now=now)
    if requested:
        await _record(connection, row.id, name, now, "Deleting", "requested")
    return await find(connection, name)


async def blueprint_of(
    connection: AsyncConnection, row: TenantRow, platform: Platform
) -> Blueprint:
    """Render the current generation, and record its digest."""
    domains = {domain.name for domain in row.document.spec.domains}
    if row.public_keys is None or domains - row.public_keys.dkim.keys():
        raise KEYS_PENDING(name=row.name)
    hosts = await host_rows.load(connection, row.id)
    addresses = await draining.load(connection, row.id)
    domains_left = await draining_domains.load(connection, row.id)
    rendered = render_before_a_pass(
        row, hosts, platform, keys=row.public_keys, addresses=addresses, domains=domains_left
    )
    await repository.record_digest(connection, row.id, rendered.digest, cloud=rendered.cloud_digest)
    return rendered


def view(row: TenantRow, conditions: list[Condition], platform: Platform) -> TenantView:
    """Return a tenant as the API shows it."""
    return TenantView(
        id=row.id,
        name=row.name,
        generation=row.generation,
        observed_generation=row.observed_generation,
        deleting=row.deleting,
        paused=row.paused and PauseView(**row.paused.__dict__),
        monthly_cost_usd_cents=cost_of(row.document, platform).usd_cents,
        created_at=row.created_at,
        updated_at=row.updated_at,
        document=row.document,
        conditions=[ConditionView(**c.__dict__) for c in conditions],
    )


async def _claim_domains(connection: AsyncConnection, tenant_id: UUID, document: Tenant) -> None:
    _require_free(document, await claims.claim(connection, tenant_id, document.spec.domains))


def _require_free(document: Tenant, taken: set[str]) -> None:
    if taken:
        violations = tuple(
            DOMAIN_TAKEN.violation(path=f"spec.domains[{index}].name", domain=domain.name)
            for index, domain in enumerate(document.spec.domains)
            if domain.name in taken
        )
        raise DOMAIN_TAKEN(domain=", ".join(sorted(taken)), violations=violations)


async def _awaits_apply(connection: AsyncConnection, row: TenantRow) -> bool:
    """Return whether the reconciler waits for the document to be applied again, or will when an
    operation has ended that was cancelled."""
    if await repository.was_cancelled(connection, row):
        return True
    awaited = {(STALLED, None), (DRIFTED, FOREIGN_STATE)}
    return any(
        each.subject == TENANT
        and each.status is Status.TRUE
        and {(each.type, None), (each.type, each.reason)} & awaited
        for each in await conditions.load(connection, row.id)
    )


async def _is_true(connection: AsyncConnection, row: TenantRow, *types: str) -> bool:
    """Return whether a condition of the tenant, of one of these types, is True."""
    return any(
        condition.subject == TENANT and condition.type in types and condition.status is Status.TRUE
        for condition in await conditions.load(connection, row.id)
    )


async def _record(
    connection: AsyncConnection,
    tenant_id: UUID,
    name: str,
    now: datetime,
    reason: str,
    message: str,
) -> None:
    await emit(
        connection,
        tenant_id=tenant_id,
        tenant=name,
        at=now,
        subject=TENANT,
        kind="spec",
        reason=reason,
        message=message,
    )
