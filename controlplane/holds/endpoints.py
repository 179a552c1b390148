"""`/api/v1/holds`: what sends nothing for now, and until when; for operators."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.fields import Matching, Text
from controlplane.conditions.model import TENANT
from controlplane.database import cursor_of
from controlplane.events.repository import emit
from controlplane.faults import HOLD_PAST, NOT_FOUND, NOTHING_TO_HOLD
from controlplane.holds import service
from controlplane.holds.schemas import (
    Ended,
    EndRequest,
    HoldPage,
    HoldRequest,
    HoldView,
)
from controlplane.holds.service import Target
from controlplane.identity.access import Access, GuardedRoute, OperatorReader, OperatorWriter
from controlplane.pagination import Limit, paginate
from controlplane.problems import responses
from sender.policy import holds
from sender.policy.holds import FIRST
from sender.policy.model import Kind
from sender.reasons import HELD

router = APIRouter(tags=["holds"], route_class=GuardedRoute)
CURSOR = r"^([a-z]+/[!-~]+)?$"


@router.get("/holds", responses=responses(NOT_FOUND))
async def list_holds(
    access: OperatorReader,
    tenant: Annotated[
        Text | None, Query(description="only what concerns its mail", examples=["acme"])
    ] = None,
    cursor: Annotated[
        Text,
        Matching(CURSOR, "give `next` of the previous page"),
        Query(max_length=400, description="`next` of the previous page"),
    ] = "",
    limit: Limit = 20,
) -> HoldPage:
    """List what is held, by kind and name: by people, and addresses whose hosts refuse mail."""
    kind, _, name = cursor.partition("/")
    async with access.begin() as connection:
        of = None if tenant is None else await service.of_tenant(connection, tenant)
        rows = await holds.list_holds(
            await cursor_of(connection),
            of=of,
            after=(kind, name) if cursor else FIRST,
            limit=limit + 1,
        )
        shown, following = paginate(
            rows, limit, lambda row: f"{row.subject.kind}/{row.subject.name}"
        )
        return HoldPage(items=await service.views(connection, shown), next=following)


@router.post("/holds", responses=responses(NOTHING_TO_HOLD, HOLD_PAST))
async def hold_mail(body: HoldRequest, request: Request, access: OperatorWriter) -> HoldView:
    """Let something send nothing until a moment, or until its hold is ended.

    What is held already is held for longer, never for less; the reason is that of the later end.
    """
    now = request.app.state.clock()
    async with access.begin() as connection:
        target = await service.find(connection, body.kind, body.name)
        cursor = await cursor_of(connection)
        if body.until is not None and not await holds.is_ahead(cursor, body.until):
            raise HOLD_PAST(until=_written(body.until))
        await holds.hold(
            cursor, target.subject, HELD, body.until, words=body.reason, actor=access.owner
        )
        held = await service.of_subject(connection, target.subject)
        assert held is not None  # noqa: S101 - written in this transaction
        until = f"until {_written(held.until)}" if held.until else "without an end"
        await _record(
            connection, target, access, reason="Held", message=f"{until}: {body.reason}", now=now
        )
    return service.view(held, target.tenant)


@router.post("/holds/end", responses=responses(NOTHING_TO_HOLD))
async def end_hold(body: EndRequest, request: Request, access: OperatorWriter) -> Ended:
    """End a hold, also that of a provider for all tenants; its mail goes on within a second."""
    now = request.app.state.clock()
    async with access.begin() as connection:
        target = await service.find(connection, body.kind, body.name)
        changed = await holds.release(await cursor_of(connection), target.subject)
        if changed:
            await _record(
                connection, target, access, reason="HoldEnded", message=body.reason, now=now
            )
    return Ended(changed=changed)


def _written(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


async def _record(
    connection: AsyncConnection,
    target: Target,
    access: Access,
    *,
    reason: str,
    message: str,
    now: datetime,
) -> None:
    subject = target.subject
    await emit(
        connection,
        tenant_id=target.tenant_id,
        tenant=target.tenant,
        at=now,
        subject=TENANT if subject.kind is Kind.TENANT else f"{subject.kind}/{subject.name}",
        kind="mail",
        reason=reason,
        message=message,
        actor=access.owner,
    )
