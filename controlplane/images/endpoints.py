"""`/api/v1/platform/images`: list and pin the images of hosts; for operators."""

from __future__ import annotations

from fastapi import APIRouter, Request

from controlplane.events.repository import emit
from controlplane.identity.access import GuardedRoute, OperatorReader, OperatorWriter
from controlplane.images import repository, service
from controlplane.images.faults import MOVED, TOO_OLD, UNCLEAR, UNKNOWN, UNREACHABLE, UNTRUSTED
from controlplane.images.schemas import Outcome, PinnedImages, PinRequest, PinResult
from controlplane.problems import responses
from controlplane.schedule.repository import request_pass_of_all

router = APIRouter(tags=["platform"], route_class=GuardedRoute)


@router.get("/platform/images")
async def list_images(access: OperatorReader) -> PinnedImages:
    """List the images that hosts run, each with its digest, who pinned it and when."""
    async with access.begin() as connection:
        return PinnedImages(items=await repository.pinned(connection))


@router.post(
    "/platform/images",
    responses=responses(TOO_OLD, UNREACHABLE, UNTRUSTED, UNKNOWN, UNCLEAR, MOVED),
)
async def pin_images(body: PinRequest, request: Request, access: OperatorWriter) -> PinResult:
    """Read the digests of a version of Mailu from the registry, and pin all of them or none.

    Hosts with Mailu get what is pinned, each at the next pass of its tenant.
    """
    now = request.app.state.clock()
    images = await service.read(
        request.app.state.registries, body, actor=access.owner, now=now
    )  # before the transaction, which nothing outside may hold up
    async with access.begin() as connection:
        await repository.lock(connection)
        changes = await service.changes(connection, images)
        changed = [change for change in changes if service.is_changed(change)]
        if body.dry_run:
            outcome = Outcome.DRY_RUN
        elif not changed:
            outcome = Outcome.UNCHANGED
        else:
            outcome = Outcome.PINNED
            await repository.pin(connection, images)
            await request_pass_of_all(connection, now=now)
            await emit(
                connection,
                tenant_id=None,
                tenant=None,
                at=now,
                subject="platform",
                kind="images",
                reason="ImagesPinned",
                message=f"Mailu {body.version}: {service.in_words(changed)}",
                actor=access.owner,
            )
    return PinResult(version=body.version, outcome=outcome, images=changes)
