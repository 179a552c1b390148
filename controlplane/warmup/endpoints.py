"""`/api/v1/warmup`: show and set the day of a warm-up; for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.tenant import Warmup
from blueprint.warmup import ADDRESS, DOMAIN, MAILBOX, Curve, Staircase
from controlplane.database import cursor_of
from controlplane.events.repository import emit
from controlplane.faults import NO_WARM_UP
from controlplane.identity.access import GuardedRoute, OperatorReader, OperatorWriter
from controlplane.problems import responses
from controlplane.warmup.schemas import Name, WarmUpKind, WarmUpRequest, WarmUpView
from sender.policy import warmup
from sender.policy.model import Kind, Subject

router = APIRouter(tags=["warm-up"], route_class=GuardedRoute)
PLURALS = {
    WarmUpKind.ADDRESS: "addresses",
    WarmUpKind.PROVIDER: "addresses",
    WarmUpKind.DOMAIN: "domains",
    WarmUpKind.MAILBOX: "mailboxes",
}
"""What the command line lists, where a name is unknown."""
CURVES: dict[WarmUpKind, Mapping[Warmup, Curve | Staircase]] = {
    WarmUpKind.ADDRESS: ADDRESS,
    WarmUpKind.PROVIDER: ADDRESS,
    WarmUpKind.DOMAIN: DOMAIN,
    WarmUpKind.MAILBOX: MAILBOX,
}


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
        return await _view(connection, kind, name)


@router.post("/warmup", responses=responses(NO_WARM_UP))
async def set_warm_up(body: WarmUpRequest, request: Request, access: OperatorWriter) -> WarmUpView:
    """Set the day that a warm-up is on, such as that of an address which sent elsewhere before."""
    async with access.begin() as connection:
        subject, owner = await _find(connection, body.kind, body.name)
        cursor = await cursor_of(connection)
        await warmup.set_day(cursor, subject, body.day, reason=body.reason, actor=access.owner)
        view = await _view(connection, body.kind, body.name)
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


async def _find(
    connection: AsyncConnection, kind: WarmUpKind, name: str
) -> tuple[Subject, warmup.Owner]:
    """Return the subject of a name with its tenant; raises NO_WARM_UP."""
    subject = Subject(Kind(kind.value), name.lower())
    owner = await warmup.owner_of(await cursor_of(connection), subject)
    if owner is None:
        raise NO_WARM_UP(kind=kind, name=name, plural=PLURALS[kind])
    return subject, owner


async def _view(connection: AsyncConnection, kind: WarmUpKind, name: str) -> WarmUpView:
    subject, owner = await _find(connection, kind, name)
    shown = await warmup.show(await cursor_of(connection), subject)
    curve = CURVES[kind][owner.warmup]
    return WarmUpView(
        kind=kind,
        name=subject.name,
        tenant=owner.tenant,
        curve=owner.warmup,
        day=shown.day,
        cap=curve.cap(shown.day),
        target=curve.target,
        good_days_to_target=max(0, curve.days - shown.day),
        started=shown.started,
        good_days=shown.good_days,
        steps_back=shown.steps_back,
        last_used=shown.last_used,
        used_today=shown.used_today,
        set_by=shown.set_by,
        set_reason=shown.set_reason,
    )
