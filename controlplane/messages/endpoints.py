"""`/api/v1/messages`: queue mail, and explain its delivery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Query

from blueprint.catalogue import PLANS, UNLIMITED
from blueprint.fields import Text
from controlplane.database import API
from controlplane.faults import (
    NOT_FOUND,
    SCOPE_MISSING,
    TENANT_DELETING,
    TENANT_MISSING,
)
from controlplane.identity.access import Access, GuardedRoute, MessageReader, MessageSender
from controlplane.identity.keys import Scope
from controlplane.messages.schemas import (
    EXAMPLE,
    EXPLAINED,
    ID,
    Batch,
    MessagePage,
    Queued,
    QueuedBatch,
)
from controlplane.messages.senders import (
    mailbox_in,
    require_mailboxes,
    require_postal_address,
    untimely,
)
from controlplane.pagination import IdCursor, Limit, paginate
from controlplane.problems import responses
from controlplane.tenants import repository as tenant_rows
from controlplane.tenants import service as tenants
from sender import explain
from sender.faults import (
    IDEMPOTENCY_MISMATCH,
    MAILS_PER_MONTH,
    MAILS_QUEUED,
    MESSAGE_NOT_FOUND,
    POSTAL_ADDRESS_MISSING,
)
from sender.outbox import ExpiryRefused, enqueue_all
from sender.schemas import Explanation, MessageView, OutgoingMessage

router = APIRouter(tags=["messages"], route_class=GuardedRoute)
Message = Annotated[OutgoingMessage, Body(openapi_examples={"hello": {"value": EXAMPLE}})]
TenantName = Annotated[
    Text | None, Query(description="the tenant that sends; for operators", examples=["acme"])
]
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
    (queued,) = await _queue(access, tenant, [message], idempotency_key, in_batch=False)
    return queued


@router.post(
    "/messages/batch",
    status_code=202,
    responses=responses(*REFUSALS),
)
async def send_batch(
    batch: Batch,
    access: MessageSender,
    tenant: TenantName = None,
    idempotency_key: IdempotencyKey = None,
) -> QueuedBatch:
    """Queue up to 1,000 mails, all or none: a refusal lists what is wrong with each.

    The answer has an id for each, in their order.
    """
    queued = await _queue(access, tenant, batch.messages, idempotency_key, in_batch=True)
    return QueuedBatch(items=queued)


async def _queue(
    access: Access,
    tenant: str | None,
    messages: Sequence[OutgoingMessage],
    idempotency_key: str | None,
    *,
    in_batch: bool,
) -> list[Queued]:
    if Scope.MESSAGES_TRANSACTIONAL not in access.scopes and any(
        message.transactional for message in messages
    ):
        raise SCOPE_MISSING(scope=Scope.MESSAGES_TRANSACTIONAL)
    async with access.begin() as connection:
        row = await tenants.of_request(connection, access, tenant)
    if row.deleting:
        raise TENANT_DELETING(name=row.name)
    require_mailboxes(row.document.spec, messages, in_batch=in_batch)
    require_postal_address(row.document.spec, messages)
    allowed = PLANS[row.document.spec.plan].mails_per_month
    # Also for an operator the mail is queued with the tenant's rights only.
    async with access.database.begin(API, tenant_id=row.id) as connection:
        try:
            ids = await enqueue_all(
                connection,
                tenant_id=row.id,
                messages=messages,
                idempotency_key=idempotency_key,
                mails_per_month=None if allowed == UNLIMITED else allowed,
            )
        except ExpiryRefused as refused:
            raise untimely(refused, in_batch=in_batch) from None
    return [Queued(id=id_) for id_ in ids]


@router.get("/messages", responses=responses(NOT_FOUND, TENANT_MISSING))
async def list_messages(
    access: MessageReader,
    tenant: TenantName = None,
    cursor: IdCursor = None,
    limit: Limit = 20,
) -> MessagePage:
    """List a tenant's messages, newest first."""
    async with access.begin() as connection:
        tenant_id = (await tenants.of_request(connection, access, tenant)).id
        rows = await explain.list_messages(
            connection, tenant_id=tenant_id, before=cursor, limit=limit + 1
        )
    shown, following = paginate(rows, limit, lambda message: message.id)
    return MessagePage(items=list(shown), next=following)


@router.get(
    "/messages/{message_id}",
    responses={
        **responses(MESSAGE_NOT_FOUND),
        200: {"content": {"application/json": {"example": EXPLAINED}}},
    },
)
async def explain_message(
    message_id: Annotated[Text, Path(description="id or Message-ID", examples=[ID])],
    access: MessageReader,
) -> Explanation:
    """Show the state of a message, and every decision about it."""
    async with access.begin() as connection:

        async def mailbox_of(message: MessageView) -> str | None:
            row = await tenant_rows.get(connection, message.tenant_id)
            return None if row is None else mailbox_in(row.document.spec, message.from_address)

        return await explain.explain(connection, message_id, mailbox_of=mailbox_of)
