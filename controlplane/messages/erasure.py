"""`/api/v1/erasures`: erase what is stored of a recipient; for operators."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request

from controlplane.database import driver_of
from controlplane.events.repository import emit
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, OperatorWriter
from controlplane.messages.schemas import ErasureRequest, ErasureView
from controlplane.problems import responses
from controlplane.tenants import service as tenants
from sender.erasure import erase

router = APIRouter(tags=["messages"], route_class=GuardedRoute)


@router.post("/erasures", responses=responses(NOT_FOUND))
async def erase_recipient(
    body: ErasureRequest, request: Request, access: OperatorWriter
) -> ErasureView:
    """Cancel a recipient's messages that wait, and erase bodies, addresses, subjects and answers.

    States, reasons and times stay, and so do suppressions, which have only the hash.
    """
    erased = cancelled = in_work = 0
    before: UUID | None = None
    tenant_id: UUID | None = None
    if body.tenant is not None:
        async with access.begin() as connection:
            tenant_id = (await tenants.find(connection, body.tenant)).id
    while True:
        async with access.begin() as connection:
            done = await erase(
                await driver_of(connection),
                bytes.fromhex(body.recipient),
                tenant_id=tenant_id,
                before=before,
            )
        erased, cancelled = erased + done.erased, cancelled + done.cancelled
        in_work, before = in_work + done.in_work, done.next
        if before is None:
            break
    async with access.begin() as connection:
        await emit(
            connection,
            tenant_id=tenant_id,
            tenant=body.tenant,
            at=request.app.state.clock(),
            subject="tenant" if body.tenant else "platform",
            kind="mail",
            reason="RecipientErased",
            message=f"{erased} messages of {body.recipient[:12]}…: {body.reason}",
            actor=access.owner,
        )
    return ErasureView(erased=erased, cancelled=cancelled, in_work=in_work)
