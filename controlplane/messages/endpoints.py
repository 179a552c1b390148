"""`/api/v1/messages`: mail in, and what became of it out."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, WithJsonSchema
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import API
from controlplane.identity.access import Access, MessageReader, MessageSender
from controlplane.messages.port import Outbox
from controlplane.pagination import IdCursor, Limit, Page, cut
from controlplane.problems import Problem, responses
from controlplane.tenants import service as tenants
from sender.schemas import Explanation, MessageView, OutgoingMessage

router = APIRouter(tags=["messages"])
EXAMPLE = {
    "tenant": "acme",
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "subject": "Hello",
    "text": "Hello Bob",
}


ID = "0199b1c2-0000-7000-8000-000000000001"
SHOWN: dict[str, Any] = {
    "id": ID,
    "tenant_id": "0199b1c2-0000-7000-8000-000000000000",
    "state": "accepted",
    "reason": "accepted",
    "from": "sales@acme.example",
    "to": "bob@rcpt.example",
    "subject": "Hello",
    "message_id": "<3f9a2c@acme.example>",
    "priority": 100,
    "attempts": 1,
    "run_at": "2026-11-24T12:10:00Z",
    "address": "mx1-2",
    "queue_id": "4fXyZ12k3mz9qR",
    "created_at": "2026-11-24T12:10:00Z",
    "finished_at": "2026-11-24T12:10:01Z",
}
"""A message as the API shows it."""
EXPLAINED: dict[str, Any] = {
    "message": SHOWN,
    "decisions": [
        {
            "at": "2026-11-24T12:10:00Z",
            "kind": "enqueued",
            "state": "queued",
            "reason": None,
            "message": "queued",
            "details": {},
        }
    ],
}


class Queued(BaseModel):
    """A message that will be sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": ID}]})

    id: UUID


class MessagePage(Page[MessageView]):
    """Some messages, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [SHOWN], "next": None}]})


class NewMessage(OutgoingMessage):
    """What `POST /messages` takes, for its documentation: the outbox tells all mistakes itself."""

    tenant: str | None = None
    """Name of the sending tenant; an operator's key needs it."""


Document = Annotated[
    dict[str, Any],
    WithJsonSchema(NewMessage.model_json_schema()),
    Body(openapi_examples={"hello": {"value": EXAMPLE}}),
]


@router.post("/messages", status_code=202, responses=responses(404, 409))
async def send_message(
    message: Document,
    request: Request,
    access: MessageSender,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Queued:
    """Queue one mail to one recipient. `tenant` names the sending tenant for operators' keys."""
    outbox = _outbox(request)
    content = dict(message)
    name = content.pop("tenant", None)
    async with access.begin() as connection:
        tenant_id = await _tenant_id(connection, access, name)
    # Also for an operator the mail is queued with no more rights than the tenant has.
    async with access.database.begin(API, tenant_id=tenant_id) as connection:
        id_ = await outbox.enqueue(
            connection, tenant_id=tenant_id, message=content, idempotency_key=idempotency_key
        )
    return Queued(id=id_)


@router.get("/messages", responses=responses(404))
async def list_messages(
    request: Request,
    access: MessageReader,
    tenant: Annotated[str | None, Query(examples=["acme"])] = None,
    cursor: IdCursor = None,
    limit: Limit = 20,
) -> MessagePage:
    """List a tenant's messages, newest first."""
    outbox = _outbox(request)
    async with access.begin() as connection:
        tenant_id = await _tenant_id(connection, access, tenant)
        rows = await outbox.list(connection, tenant_id=tenant_id, before=cursor, limit=limit + 1)
    shown, following = cut(rows, limit, lambda row: row["id"])
    return MessagePage(items=[MessageView.model_validate(row) for row in shown], next=following)


@router.get(
    "/messages/{message_id}",
    response_model=Explanation,
    responses={**responses(404), 200: {"content": {"application/json": {"example": EXPLAINED}}}},
)
async def explain_message(
    message_id: Annotated[str, Path(description="id or Message-ID", examples=[ID])],
    request: Request,
    access: MessageReader,
) -> dict[str, Any]:
    """Say what became of a message, and why."""
    outbox = _outbox(request)
    async with access.begin() as connection:
        found = await outbox.explain(connection, message_id=message_id)
    if found is None:
        raise Problem(
            404,
            "message.not_found",
            f"there is no message {message_id}",
            "`penguin get messages` lists them",
        )
    return dict(found)


def _outbox(request: Request) -> Outbox:
    outbox: Outbox | None = request.app.state.outbox
    if outbox is None:
        raise Problem(
            503, "sender.absent", "this process takes no mail", "start it with `penguin serve`"
        )
    return outbox


async def _tenant_id(connection: AsyncConnection, access: Access, name: object) -> UUID:
    if name is not None:
        return (await tenants.find(connection, str(name))).id
    if access.tenant_id is None:
        raise Problem(
            422,
            "message.tenant_missing",
            "an operator's key does not say which tenant sends",
            "add `tenant`",
        )
    return access.tenant_id
