"""`/api/v1/messages`: queue mail, and explain its delivery."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Header, Path, Query

from blueprint import shape
from blueprint.fields import Matching, Text, WrittenWhole
from controlplane.database import API
from controlplane.faults import (
    NOT_FOUND,
    TENANT_DELETING,
    TENANT_MISSING,
)
from controlplane.identity.access import GuardedRoute, MessageReader, MessageSender
from controlplane.messages.filters import States, Wanted, in_utc
from controlplane.messages.queueing import queue
from controlplane.messages.schemas import (
    EXAMPLE,
    EXAMPLE_RESPONSE,
    EXPLAINED,
    ID,
    MOST,
    Batch,
    CancelledPage,
    GivenBatch,
    MessageEventPage,
    MessagePage,
    Queued,
    QueuedBatch,
)
from controlplane.messages.senders import mailbox_in
from controlplane.pagination import IdCursor, Limit
from controlplane.problems import responses
from controlplane.tenants import repository as tenant_rows
from controlplane.tenants import service as tenants
from sender import explain
from sender.cancelling import cancel, cancel_found
from sender.events import CURSOR, START, events_after
from sender.faults import (
    CURSOR_UNKNOWN,
    IDEMPOTENCY_MISMATCH,
    MAILS_PER_MONTH,
    MAILS_QUEUED,
    MESSAGE_NOT_FOUND,
    NO_FILTER,
    NOT_WAITING,
    POSTAL_ADDRESS_MISSING,
)
from sender.schemas import Explanation, MessageView, OutgoingMessage, State, Time
from sender.search import search

router = APIRouter(tags=["messages"], route_class=GuardedRoute)
Message = Annotated[OutgoingMessage, Body(openapi_examples={"hello": {"value": EXAMPLE}})]
TenantName = Annotated[
    Text | None, Query(description="the tenant that sends; for operators", examples=["acme"])
]
MessageId = Annotated[Text, Path(description="id or Message-ID", examples=[ID])]
IdempotencyKey = Annotated[Text | None, Header(min_length=1, max_length=200)]
REFUSALS = (
    NOT_FOUND,
    TENANT_MISSING,
    TENANT_DELETING,
    POSTAL_ADDRESS_MISSING,
    IDEMPOTENCY_MISMATCH,
    MAILS_PER_MONTH,
    MAILS_QUEUED,
)


@router.post(
    "/messages",
    status_code=202,
    responses=responses(*REFUSALS),
)
async def send_message(
    message: Message,
    access: MessageSender,
    tenant: TenantName = None,
    idempotency_key: IdempotencyKey = None,
) -> Queued:
    """Queue one mail to one recipient."""
    (id_,) = await queue(access, tenant, [((), message)], idempotency_key)
    return Queued(id=id_)


@router.post(
    "/messages/batch",
    status_code=202,
    responses=responses(*REFUSALS),
)
async def send_batch(
    batch: GivenBatch,
    access: MessageSender,
    tenant: TenantName = None,
    idempotency_key: IdempotencyKey = None,
) -> QueuedBatch:
    """Queue up to 1,000 mails, all or none.

    A refusal lists all that is wrong, in the order of the messages: their form, and what may not be
    sent. The answer has an id for each, in their order.
    """
    places = [("messages", number) for number in batch.numbers]
    messages = list(zip(places, batch.messages, strict=True))
    mistakes = shape.violations(batch.mistakes, Batch)
    ids = await queue(access, tenant, messages, idempotency_key, mistakes)
    return QueuedBatch(items=[Queued(id=id_) for id_ in ids])


@router.get("/messages", responses=responses(NOT_FOUND, TENANT_MISSING))
async def list_messages(
    access: MessageReader,
    wanted: Wanted,
    tenant: TenantName = None,
    cursor: IdCursor = None,
    limit: Limit = 20,
) -> MessagePage:
    """List a tenant's messages, newest first.

    Where few of many messages are wanted, a page can have fewer items than `limit`, or none, while
    `next` leads to the following one. At the end `next` is null.
    """
    async with access.begin() as connection:
        tenant_id = (await tenants.of_request(connection, access, tenant)).id
        found = await search(
            connection, tenant_id=tenant_id, wanted=wanted, before=cursor, limit=limit
        )
    return MessagePage(items=found.items, next=None if found.next is None else str(found.next))


@router.post("/messages/cancel", responses=responses(NOT_FOUND, TENANT_MISSING, NO_FILTER))
async def cancel_messages(
    access: MessageSender,
    wanted: Wanted,
    tenant: TenantName = None,
    cursor: IdCursor = None,
    limit: Annotated[int, Query(ge=1, le=MOST, strict=True), WrittenWhole] = MOST,
) -> CancelledPage:
    """Cancel messages that wait and are chosen by at least one parameter, the newest first.

    Each request cancels at most `limit`: repeat it with `next` as `cursor` until that is null.
    """
    if not wanted.is_given:
        raise NO_FILTER()
    async with access.begin() as connection:
        tenant_id = (await tenants.of_request(connection, access, tenant)).id
    async with access.database.begin(API, tenant_id=tenant_id) as connection:
        done = await cancel_found(
            connection,
            tenant_id=tenant_id,
            wanted=wanted,
            actor=access.owner,
            limit=limit,
            before=cursor,
        )
    return CancelledPage(
        cancelled=done.cancelled,
        in_work=done.in_work,
        next=None if done.next is None else str(done.next),
    )


@router.get("/messages/events", responses=responses(NOT_FOUND, TENANT_MISSING, CURSOR_UNKNOWN))
async def list_message_events(
    access: MessageReader,
    tenant: TenantName = None,
    message: Annotated[UUID | None, Query(description="id of a message")] = None,
    state: States = None,
    since: Annotated[Time | None, Query(description="that happened then or later")] = None,
    cursor: Annotated[
        Text, Matching(CURSOR, "give `next` of the previous page"), Query(examples=[START])
    ] = START,
    limit: Annotated[int, Query(ge=1, le=1000, strict=True), WrittenWhole] = 100,
) -> MessageEventPage:
    """List what became of a tenant's messages in the last 30 days, oldest first.

    Who goes on by `next` misses no event: those of open transactions are shown once these have
    ended. `next` is `cursor` when nothing followed it; with `state`, it moves on while a page is
    empty.
    """
    async with access.begin() as connection:
        tenant_id = (await tenants.of_request(connection, access, tenant)).id
        found = await events_after(
            connection,
            cursor,
            tenant_id=tenant_id,
            message_id=message,
            states=state,
            since=in_utc(since),
            limit=limit,
        )
    return MessageEventPage(items=found.items, next=found.next)


@router.post(
    "/messages/{message_id}/cancel",
    responses={
        **responses(MESSAGE_NOT_FOUND, NOT_WAITING),
        200: {"content": {"application/json": {"example": EXAMPLE_RESPONSE}}},
    },
)
async def cancel_message(message_id: MessageId, access: MessageSender) -> MessageView:
    """Cancel a message that waits. One that was cancelled before stays so."""
    async with access.begin() as connection:
        message = await explain.find(connection, message_id)
    async with access.database.begin(API, tenant_id=message.tenant_id) as connection:
        await cancel(connection, tenant_id=message.tenant_id, ids=[message.id], actor=access.owner)
        message = await explain.find(connection, message.id)
    if message.state is not State.CANCELLED:
        raise NOT_WAITING(id=message.id, state=message.state)
    return message


@router.get(
    "/messages/{message_id}",
    responses={
        **responses(MESSAGE_NOT_FOUND),
        200: {"content": {"application/json": {"example": EXPLAINED}}},
    },
)
async def explain_message(
    message_id: MessageId,
    access: MessageReader,
) -> Explanation:
    """Show the state of a message, and every decision about it."""
    async with access.begin() as connection:

        async def mailbox_of(message: MessageView) -> str | None:
            row = await tenant_rows.get(connection, message.tenant_id)
            return None if row is None else mailbox_in(row.document.spec, message.from_address)

        return await explain.explain(connection, message_id, mailbox_of=mailbox_of)
