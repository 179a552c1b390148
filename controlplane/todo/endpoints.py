"""`/api/v1/todo`: actions that are required, over all tenants that the key may see."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from blueprint.fields import Matching, Text
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, Reader
from controlplane.pagination import Limit, ReasonOrCode, as_reason, paginate
from controlplane.problems import responses
from controlplane.tenants import service as tenants
from controlplane.todo import repository
from controlplane.todo.repository import Position
from controlplane.todo.schemas import TodoPage

router = APIRouter(tags=["todo"], route_class=GuardedRoute)
UUID_PATTERN = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Cursor = Annotated[
    str,
    Matching(rf"^{UUID_PATTERN}/[^\u0000]+/[^/\u0000]+$", "give `next` of an earlier page"),
    Query(
        description="`next` of the previous page",
        max_length=500,
        examples=["0199b1c2-0000-7000-8000-000000000000/address/mx1-2/InfrastructureReady"],
    ),
]


@router.get("/todo", responses=responses(NOT_FOUND))
async def list_todo(
    access: Reader,
    tenant: Annotated[Text | None, Query(examples=["acme"])] = None,
    reason: ReasonOrCode | None = None,
    cursor: Cursor | None = None,
    limit: Limit = 20,
) -> TodoPage:
    """List every address to buy, zone to delegate, record to set by hand, purchase to settle,
    server that has ended, and every other required action, each with its remedy.

    What follows from another entry is not listed, and neither is what is tried again by itself.
    """
    after = Position() if cursor is None else Position.read(cursor)
    async with access.begin() as connection:
        tenant_id = None if tenant is None else (await tenants.find(connection, tenant)).id
        rows = await repository.page(
            connection,
            after=after,
            tenant_id=tenant_id,
            reason=reason and as_reason(reason),
            limit=limit + 1,
        )
    shown, following = paginate(rows, limit, lambda row: row[0])
    return TodoPage(items=[view for _, view in shown], next=following)
