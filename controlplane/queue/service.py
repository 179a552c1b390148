"""What the endpoints of the queue share: selections, names of tenants, events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.conditions.model import TENANT
from controlplane.database import Driver, driver_of
from controlplane.events.repository import emit
from controlplane.identity.access import Access
from controlplane.queue.schemas.changes import Changed, SelectionRequest
from controlplane.tenants import repository as tenant_rows
from controlplane.tenants import service as tenants
from sender import mailq
from sender.mailq import Selection

STEP = 5000
"""Mails that one request of a change in bulk looks at."""
Done = TypeVar("Done", bound=mailq.Changed)
Act = Callable[[Driver, Selection], Awaitable[Done]]


async def tenant_id_of(connection: AsyncConnection, name: str | None) -> UUID | None:
    """Return the id of a tenant, if one is named."""
    return None if name is None else (await tenants.find(connection, name)).id


async def in_bulk(
    access: Access,
    request: SelectionRequest,
    act: Act[mailq.Changed],
    *,
    reason: str,
    what: str,
    now: datetime,
) -> Changed:
    """Change the mail that a request means; return how many there were."""
    done = await change(access, request, act, reason=reason, what=what, now=now)
    return Changed(changed=done.count, next=written(done.next))


def written(place: mailq.Place | None) -> str | None:
    """Return where a search goes on, for `after` of the next request."""
    return None if place is None else str(place)


async def change(
    access: Access,
    request: SelectionRequest,
    act: Act[Done],
    *,
    reason: str,
    what: str,
    now: datetime,
) -> Done:
    """Change the mail that a request means, and record it as an event of each tenant."""
    async with access.begin() as connection:
        selection = Selection(
            tenant_id=await tenant_id_of(connection, request.tenant),
            code=request.code,
            recipient_domain=request.recipient_domain,
            ids=None if request.ids is None else [UUID(id_) for id_ in request.ids],
            after=None if request.after is None else mailq.Place.read(request.after),
        )
        done = await act(await driver_of(connection), selection)
        what = ", ".join([what, *_criteria(request)])
        await record(
            connection,
            access,
            done.tenants,
            reason=reason,
            what=what,
            why=request.reason,
            now=now,
            notes=done.notes,
        )
    return done


def _criteria(request: SelectionRequest) -> list[str]:
    criteria = []
    if request.code is not None:
        criteria.append(f"of {request.code}")
    if request.recipient_domain is not None:
        criteria.append(f"to {request.recipient_domain}")
    if request.ids is not None:
        criteria.append("by id")
    return criteria


async def record(
    connection: AsyncConnection,
    access: Access,
    counts: Mapping[UUID, int],
    *,
    reason: str,
    what: str,
    why: str,
    now: datetime,
    notes: Mapping[UUID, str] = MappingProxyType({}),
) -> None:
    """Write an event for each tenant, as the last statements of a transaction.

    `notes` say more about some of them.
    """
    names = await tenant_rows.names(connection, counts)
    for tenant_id, count in sorted(counts.items()):
        name = names.get(tenant_id)
        await emit(
            connection,
            tenant_id=tenant_id if name else None,
            tenant=name,
            at=now,
            subject=TENANT if name else "platform",
            kind="mail",
            reason=reason,
            message=f"{what}: {count}{notes.get(tenant_id, '')}; {why}",
            actor=access.owner,
        )
