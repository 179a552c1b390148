"""`/api/v1/mailq`: held mail and mail of unknown outcome; for operators."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request

from blueprint.fields import WrittenWhole
from controlplane.database import Driver, driver_of
from controlplane.faults import NOT_FOUND, NOT_UNKNOWN
from controlplane.identity.access import GuardedRoute, OperatorReader, OperatorWriter
from controlplane.pagination import IdCursor, Limit, paginate
from controlplane.problems import responses
from controlplane.queue import service
from controlplane.queue.endpoints import CodeQuery, TenantQuery
from controlplane.queue.schemas.changes import (
    Changed,
    KeptView,
    Released,
    ResolveRequest,
    SelectionRequest,
)
from controlplane.queue.schemas.lists import HeldPage, HeldView, UnknownPage, UnknownView
from controlplane.tenants import repository as tenant_rows
from sender import mailq
from sender.mailq import Selection
from sender.policy.model import Kind
from sender.queue import operations
from sender.reasons import REASONS

router = APIRouter(tags=["queue"], route_class=GuardedRoute)


@router.get("/mailq", responses=responses(NOT_FOUND))
async def list_held_mail(
    access: OperatorReader,
    tenant: TenantQuery = None,
    code: CodeQuery = None,
    cursor: Annotated[
        int,
        Query(ge=0, lt=2**63, strict=True, description="`next` of the previous page"),
        WrittenWhole,
    ] = 0,
    limit: Limit = 20,
) -> HeldPage:
    """List the buckets whose mail is held: why, until when, and how many mails."""
    async with access.begin() as connection:
        tenant_id = await service.tenant_id_of(connection, tenant)
        rows = await operations.held_buckets(
            await driver_of(connection),
            tenant_id=tenant_id,
            reason=code,
            limit=limit + 1,
            after=cursor,
        )
        names = await tenant_rows.names(connection, [row.tenant_id for row in rows])
    shown, following = paginate(rows, limit, lambda row: row.id)
    return HeldPage(
        items=[_held(row, names.get(row.tenant_id)) for row in shown],
        next=following,
    )


def _held(row: operations.HeldJobs, tenant: str | None) -> HeldView:
    reason = REASONS.get(row.reason)
    return HeldView(
        id=row.id,
        tenant=tenant,
        bucket=row.name,
        mails=min(row.jobs, operations.COUNTED),
        has_more=row.jobs > operations.COUNTED,
        code=row.reason,
        words=row.words,
        acts=reason and reason.acts,
        release=reason and reason.release,
        since=row.since,
        until=row.until,
        oldest_due_at=row.oldest_due_at,
    )


@router.post("/mailq/release", responses=responses(NOT_FOUND))
async def release_mail(
    body: SelectionRequest, request: Request, access: OperatorWriter
) -> Released:
    """Release buckets, with the holds that keep their mail; say what else holds them again."""
    done = await service.change(
        access,
        body,
        partial(mailq.release, most=service.STEP),
        reason="Released",
        what="buckets released",
        now=request.app.state.clock(),
    )
    async with access.begin() as connection:
        names = await tenant_rows.names(connection, done.ended)
    return Released(
        changed=done.count,
        next=service.written(done.next),
        ended=[
            f"tenant {names[id_]}" if subject.kind is Kind.TENANT and id_ in names else str(subject)
            for id_, subjects in done.ended.items()
            for subject in subjects
        ],
        kept=[_kept(code, buckets) for code, buckets in sorted(done.kept.items())],
    )


def _kept(code: str, buckets: int) -> KeptView:
    reason = REASONS.get(code)
    return KeptView(
        code=code,
        buckets=buckets,
        acts=reason and reason.acts,
        release=reason and reason.release,
    )


@router.post("/mailq/withdraw", responses=responses(NOT_FOUND))
async def withdraw_mail(
    body: SelectionRequest, request: Request, access: OperatorWriter
) -> Changed:
    """Cancel mail that waits; what is being handed over is not touched."""
    act = partial(mailq.withdraw, words=body.reason, actor=access.owner, most=service.STEP)
    return await service.in_bulk(
        access,
        body,
        act,
        reason="Withdrawn",
        what="mails withdrawn",
        now=request.app.state.clock(),
    )


@router.post("/mailq/retry", responses=responses(NOT_FOUND))
async def retry_mail(body: SelectionRequest, request: Request, access: OperatorWriter) -> Changed:
    """Try deferred mail again now."""
    return await service.in_bulk(
        access,
        body,
        partial(mailq.retry, most=service.STEP),
        reason="Retried",
        what="deferred mails tried again",
        now=request.app.state.clock(),
    )


@router.get("/mailq/unknown", responses=responses(NOT_FOUND))
async def list_unknown_mail(
    access: OperatorReader,
    tenant: TenantQuery = None,
    cursor: IdCursor = None,
    limit: Limit = 20,
) -> UnknownPage:
    """List mail that a host may have accepted or not, newest first."""
    async with access.begin() as connection:
        tenant_id = await service.tenant_id_of(connection, tenant)
        rows = await mailq.unknown_mails(
            await driver_of(connection), tenant_id=tenant_id, limit=limit + 1, before=cursor
        )
        names = await tenant_rows.names(connection, [row.tenant_id for row in rows])
    shown, following = paginate(rows, limit, lambda row: row.id)
    return UnknownPage(
        items=[
            UnknownView(
                id=row.id,
                tenant=names.get(row.tenant_id),
                sender=row.sender,
                recipient=row.recipient,
                address=row.note,
                code=row.reason,
                since=row.since,
            )
            for row in shown
        ],
        next=following,
    )


@router.post("/mailq/resolve", responses=responses(NOT_FOUND, NOT_UNKNOWN))
async def resolve_mail(body: ResolveRequest, request: Request, access: OperatorWriter) -> Changed:
    """Say what became of mail of unknown outcome; what was not delivered is sent again.

    Of mail that is given by its ids, all is resolved or none.
    """

    async def act(connection: Driver, selection: Selection) -> mailq.Resolved:
        done = await mailq.resolve(
            connection,
            selection,
            delivered=body.delivered,
            words=body.reason,
            actor=access.owner,
            most=service.STEP,
        )
        for id_ in selection.ids or ():
            if id_ not in done.ids:
                raise NOT_UNKNOWN(id=id_)
        return done

    return await service.in_bulk(
        access,
        body,
        act,
        reason="Resolved",
        what="mails delivered" if body.delivered else "mails not delivered and sent again",
        now=request.app.state.clock(),
    )
