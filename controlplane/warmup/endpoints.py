"""`/api/v1/warmup` and `/tenants/{name}/warmup`: show and set warm-ups; for operators."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.fields import Text
from controlplane.conditions.model import TENANT
from controlplane.database import cursor_of
from controlplane.events.repository import emit
from controlplane.faults import NO_WARM_UP, NOT_FOUND, NOTHING_ACTIVE
from controlplane.identity.access import GuardedRoute, OperatorReader, OperatorWriter
from controlplane.pagination import Limit
from controlplane.problems import responses
from controlplane.tenants import service as tenants
from controlplane.tenants.endpoints import Name as TenantName
from controlplane.warmup import service
from controlplane.warmup.schemas import (
    Name,
    TenantWarmUp,
    TenantWarmUpRequest,
    WarmUpKind,
    WarmUpPage,
    WarmUpRequest,
    WarmUpView,
)
from sender.policy import subjects, warmup
from sender.policy.model import Kind, Subject
from sender.policy.providers import NAMES
from sender.policy.subjects import Owner

router = APIRouter(tags=["warm-up"], route_class=GuardedRoute)
LISTED = "name one that `penguin warmup show` lists"
AT_A_PROVIDER = f"{LISTED}, at one of {', '.join(sorted(NAMES))}: 198.18.1.2/google"


@router.get("/warmup", responses=responses(NO_WARM_UP))
async def show_warm_up(
    access: OperatorReader,
    kind: Annotated[WarmUpKind, Query(description="what is warmed up", examples=["address"])],
    name: Annotated[
        Name, Query(description="IP, From domain, mailbox or IP/provider", examples=["198.18.1.2"])
    ],
) -> WarmUpView:
    """Show the warm-up of an address, of one at a provider, of a From domain or of a mailbox."""
    async with access.begin() as connection:
        subject, owner = await _find(connection, kind, name)
        return await service.view(connection, subject, owner.tenant_id, owner.tenant)


@router.post("/warmup", responses=responses(NO_WARM_UP))
async def set_warm_up(body: WarmUpRequest, request: Request, access: OperatorWriter) -> WarmUpView:
    """Set the day that a warm-up is on, such as that of an address which sent elsewhere before."""
    async with access.begin() as connection:
        subject, owner = await _find(connection, body.kind, body.name)
        cursor = await cursor_of(connection)
        await warmup.set_day(cursor, [subject], body.day, reason=body.reason, actor=access.owner)
        view = await service.view(connection, subject, owner.tenant_id, owner.tenant)
        await emit(
            connection,
            tenant_id=owner.tenant_id,
            tenant=owner.tenant,
            at=request.app.state.clock(),
            subject=f"{body.kind}/{subject.name}",
            kind="warmup",
            reason="WarmUpSet",
            message=f"day {body.day}: {body.reason}",
            actor=access.owner,
        )
    return view


@router.get("/tenants/{name}/warmup", responses=responses(NOT_FOUND))
async def list_warm_ups(
    name: TenantName,
    access: OperatorReader,
    kind: Annotated[
        WarmUpKind | None,
        Query(description="only these; `provider`: addresses at providers that they have sent to"),
    ] = None,
    cursor: Annotated[Text, Query(description="`next` of the previous page", max_length=400)] = "",
    limit: Limit = 20,
) -> WarmUpPage:
    """List the warm-ups of a tenant: of its addresses, From domains and mailboxes."""
    async with access.begin() as connection:
        row = await tenants.find(connection, name)
        found = await service.listed(connection, row.id, kind)
        items, following = service.page(found, cursor, limit)
        return WarmUpPage(
            items=await service.views(connection, items, row.id, row.name), next=following
        )


@router.post("/tenants/{name}/warmup", responses=responses(NOT_FOUND, NOTHING_ACTIVE))
async def set_warm_ups(
    name: TenantName, body: TenantWarmUpRequest, request: Request, access: OperatorWriter
) -> TenantWarmUp:
    """Set the day of all warm-ups of a tenant, also those of its addresses at each provider."""
    async with access.begin() as connection:
        row = await tenants.find(connection, name)
        cursor = await cursor_of(connection)
        found = await subjects.of_tenant(cursor, row.id)
        if found is None:
            raise NOTHING_ACTIVE(name=row.name)
        every = (*found.own, *found.at_providers)
        await warmup.set_day(cursor, every, body.day, reason=body.reason, actor=access.owner)
        await emit(
            connection,
            tenant_id=row.id,
            tenant=row.name,
            at=request.app.state.clock(),
            subject=TENANT,
            kind="warmup",
            reason="WarmUpSet",
            message=f"everything on day {body.day}: {body.reason}",
            actor=access.owner,
        )
    counts = Counter(subject.kind for subject in found.own)
    return TenantWarmUp(
        tenant=row.name,
        day=body.day,
        addresses=counts[Kind.ADDRESS],
        providers=len(NAMES),
        domains=counts[Kind.DOMAIN],
        mailboxes=counts[Kind.MAILBOX],
    )


async def _find(connection: AsyncConnection, kind: WarmUpKind, name: str) -> tuple[Subject, Owner]:
    """Return the subject of a name with its tenant; raises NO_WARM_UP."""
    subject = Subject(Kind(kind.value), name.lower())
    owners = await subjects.owners_of(await cursor_of(connection), [subject])
    if subject not in owners:
        remedy = AT_A_PROVIDER if kind is WarmUpKind.PROVIDER else LISTED
        raise NO_WARM_UP(kind=kind, name=name, remedy=remedy)
    return subject, owners[subject]
