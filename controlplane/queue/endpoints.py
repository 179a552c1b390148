"""`/api/v1/queue`: figures, dead letters and recovery of the queue; for operators."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from blueprint.fields import Text
from controlplane.database import driver_of
from controlplane.events.repository import emit
from controlplane.faults import NOT_FOUND, NOT_RESTORED
from controlplane.identity.access import GuardedRoute, OperatorReader, OperatorWriter
from controlplane.pagination import IdCursor, Limit, paginate
from controlplane.problems import responses
from controlplane.queue import service
from controlplane.queue.measuring import Figures, Measuring, metrics
from controlplane.queue.schemas.changes import (
    Changed,
    Code,
    Recovered,
    RecoverRequest,
    SelectionRequest,
)
from controlplane.queue.schemas.figures import (
    AddressTrafficView,
    BucketView,
    DepthView,
    QueueView,
    RateView,
    TopView,
    TrafficView,
)
from controlplane.queue.schemas.lists import DeadPage, DeadView
from controlplane.tenants import repository as tenant_rows
from controlplane.todo import metrics as todo
from kit.metrics import CONTENT_TYPE, exposition
from sender import mailq
from sender.live import LiveBucket
from sender.queue import operations
from sender.reasons import MAY_END_AT_ANY_MOMENT, REASONS

router = APIRouter(tags=["queue"], route_class=GuardedRoute)
METRICS = 'penguin_queue_mails{state="held",reason="warmup_cap_reached"} 1200'
TenantQuery = Annotated[
    Text | None, Query(description="only mail of this tenant", examples=["acme"])
]
CodeQuery = Annotated[
    Code | None, Query(description="only mail of this reason", examples=["warmup_cap_reached"])
]


@router.get("/queue")
async def show_queue(access: OperatorReader) -> QueueView:
    """Count the mail of all tenants by state and reason; of a large queue, a sample is read."""
    async with access.begin() as connection:
        driver = await driver_of(connection)
        health = await operations.health(driver)
        depths = await operations.depths(driver)
    return QueueView(
        is_restored=health.is_restored,
        workers=health.workers,
        unserved_slots=health.unserved_slots,
        depths=_depths(depths),
    )


@router.get("/queue/top")
async def show_traffic(request: Request, access: OperatorReader, limit: Limit = 20) -> TopView:
    """Show how fast mail leaves, and which buckets wait longest; counts may be old."""
    measuring: Measuring = request.app.state.measuring
    figures = await measuring.figures()
    buckets, tenants = figures.buckets[:limit], figures.tenants[:limit]
    ids = {bucket.tenant_id for bucket in buckets} | {one.tenant_id for one in tenants}
    async with access.begin() as connection:
        names = await tenant_rows.names(connection, ids)
    live = {(b.tenant_id, b.name): b for one in figures.live for b in one.buckets}
    return TopView(
        is_restored=figures.health.is_restored,
        workers=figures.health.workers,
        unserved_slots=figures.health.unserved_slots,
        depths=_depths(figures.depths),
        rates=[
            RateView(
                state=rate.state,
                code=rate.reason,
                per_second=rate.mails / mailq.WINDOW.total_seconds(),
            )
            for rate in figures.rates
        ],
        wait_p50=figures.waits.p50,
        wait_p95=figures.waits.p95,
        buckets=[
            _bucket(one, names.get(one.tenant_id), live.get((one.tenant_id, one.name)))
            for one in buckets
        ],
        tenants=[
            TrafficView(
                tenant=names.get(one.tenant_id),
                handed_over=one.mails,
                per_second=one.mails / mailq.WINDOW.total_seconds(),
            )
            for one in tenants
        ],
        addresses=_addresses(figures)[:limit],
        shown_senders=len(figures.live),
    )


def _bucket(
    bucket: operations.BusyBucket, tenant: str | None, live: LiveBucket | None
) -> BucketView:
    reason = REASONS.get(bucket.reason)
    return BucketView(
        tenant=tenant,
        bucket=bucket.name,
        mails=min(bucket.jobs, operations.COUNTED),
        has_more=bucket.jobs > operations.COUNTED,
        oldest_seconds=bucket.oldest_seconds,
        is_held=bucket.is_held,
        code=bucket.reason,
        until=bucket.until,
        release=reason and reason.release,
        per_hour=live and live.per_hour,
        in_work=live and live.in_work,
    )


def _addresses(figures: Figures) -> list[AddressTrafficView]:
    """Return what senders show of addresses, those with most mail in hand first."""
    every = [address for one in figures.live for address in one.addresses]
    return [
        AddressTrafficView(tenant=figures.owners.get(one.ip), **one.model_dump())
        for one in sorted(every, key=lambda one: (-one.in_hand, one.ip))
    ]


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"example": METRICS}}}},
)
async def show_metrics(request: Request, access: OperatorReader) -> Response:
    """Return metrics of the queue and of all tenants in Prometheus' text form."""
    measuring: Measuring = request.app.state.measuring
    of_queue = metrics(await measuring.figures())
    async with access.begin() as connection:
        of_tenants = await todo.measure(connection, now=request.app.state.clock())
    return Response(of_queue + exposition(of_tenants), media_type=CONTENT_TYPE)


def _depths(depths: Sequence[operations.Depth]) -> list[DepthView]:
    return [
        DepthView(
            state=depth.state,
            code=depth.reason,
            mails=depth.jobs,
            oldest_seconds=depth.oldest_seconds,
            is_estimate=depth.is_estimate,
        )
        for depth in depths
    ]


@router.get("/queue/dead", responses=responses(NOT_FOUND))
async def list_dead_mails(
    access: OperatorReader,
    tenant: TenantQuery = None,
    code: CodeQuery = None,
    cursor: IdCursor = None,
    limit: Limit = 20,
) -> DeadPage:
    """List dead letters, newest first."""
    async with access.begin() as connection:
        tenant_id = await service.tenant_id_of(connection, tenant)
        rows = await mailq.dead_mails(
            await driver_of(connection),
            tenant_id=tenant_id,
            code=code,
            limit=limit + 1,
            before=cursor,
        )
        names = await tenant_rows.names(connection, [row.tenant_id for row in rows])
    shown, following = paginate(rows, limit, lambda row: row.id)
    return DeadPage(
        items=[
            DeadView(
                id=row.id,
                tenant=names.get(row.tenant_id),
                sender=row.sender,
                recipient=row.recipient,
                attempts=row.attempts,
                code=row.reason,
                words=row.words,
                died_at=row.died_at,
                can_be_replayed=row.can_be_replayed,
            )
            for row in shown
        ],
        next=following,
    )


@router.post("/queue/dead/replay", responses=responses(NOT_FOUND))
async def replay_dead_mails(
    body: SelectionRequest, request: Request, access: OperatorWriter
) -> Changed:
    """Send dead letters again, with a whole life and no attempt spent."""
    return await service.in_bulk(
        access,
        body,
        partial(mailq.replay, most=service.STEP),
        reason="Replayed",
        what="dead letters sent again",
        now=request.app.state.clock(),
    )


@router.post("/queue/dead/purge", responses=responses(NOT_FOUND))
async def purge_dead_mails(
    body: SelectionRequest, request: Request, access: OperatorWriter
) -> Changed:
    """Delete dead letters with their content; what became of them stays known."""
    return await service.in_bulk(
        access,
        body,
        partial(mailq.purge, most=service.STEP),
        reason="Purged",
        what="dead letters deleted",
        now=request.app.state.clock(),
    )


@router.post("/queue/recover", responses=responses(NOT_RESTORED))
async def recover_queue(
    body: RecoverRequest, request: Request, access: OperatorWriter
) -> Recovered:
    """After a restore or a promotion: say what may have been handed over since, and go on."""
    async with access.begin() as connection:
        driver = await driver_of(connection)
        if not (await operations.health(driver)).is_restored:
            raise NOT_RESTORED()
        done = await operations.recover(
            driver,
            body.since,
            body.treat_as.value,
            most=service.STEP,
            may_have_ended=MAY_END_AT_ANY_MOMENT,
        )
        await emit(
            connection,
            tenant_id=None,
            tenant=None,
            at=request.app.state.clock(),
            subject="platform",
            kind="mail",
            reason="QueueRecovered",
            message=f"{done.claimed + done.waiting} mails since {body.since:%Y-%m-%dT%H:%M:%SZ} "
            f"as {body.treat_as}: {body.reason}",
            actor=access.owner,
        )
    return Recovered(claimed=done.claimed, waiting=done.waiting, is_done=done.is_done)
