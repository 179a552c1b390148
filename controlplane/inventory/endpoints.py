"""`/api/v1/hosts`, `/addresses`, `/domains`, `/mailboxes`: the parts of all tenants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from blueprint.fields import Text
from controlplane.faults import NOT_FOUND
from controlplane.identity.access import GuardedRoute, Reader
from controlplane.inventory import service
from controlplane.inventory.schemas import AddressPage, DomainPage, HostPage, MailboxPage
from controlplane.inventory.service import ADDRESSES, DOMAINS, HOSTS, MAILBOXES, Kind, P
from controlplane.pagination import Limit
from controlplane.problems import responses

router = APIRouter(tags=["inventory"], route_class=GuardedRoute)


class Selection:
    """The parameters and the rights of a request for parts."""

    def __init__(
        self,
        request: Request,
        access: Reader,
        tenant: Annotated[Text | None, Query(examples=["acme"])] = None,
        name: Annotated[Text | None, Query(description="only those of this name")] = None,
        cursor: Annotated[
            Text, Query(description="`next` of the previous page", max_length=300)
        ] = "",
        limit: Limit = 20,
    ) -> None:
        self._request = request
        self._access = access
        self._filters: dict[str, Any] = {
            "tenant": tenant,
            "name": name,
            "cursor": cursor,
            "limit": limit,
        }

    async def of(self, kind: Kind[P]) -> tuple[Sequence[P], str | None]:
        """Return one page of a kind."""
        platform = self._request.app.state.platform
        async with self._access.begin() as connection:
            return await service.page(connection, kind, platform, **self._filters)


Selected = Annotated[Selection, Depends()]


@router.get("/hosts", responses=responses(NOT_FOUND))
async def list_hosts(selected: Selected) -> HostPage:
    """List hosts by tenant and name; a tenant's key sees its own."""
    items, after = await selected.of(HOSTS)
    return HostPage(items=list(items), next=after)


@router.get("/addresses", responses=responses(NOT_FOUND))
async def list_addresses(selected: Selected) -> AddressPage:
    """List the addresses of hosts by tenant and name; a tenant's key sees its own."""
    items, after = await selected.of(ADDRESSES)
    return AddressPage(items=list(items), next=after)


@router.get("/domains", responses=responses(NOT_FOUND))
async def list_domains(selected: Selected) -> DomainPage:
    """List sending domains by tenant and name; a tenant's key sees its own."""
    items, after = await selected.of(DOMAINS)
    return DomainPage(items=list(items), next=after)


@router.get("/mailboxes", responses=responses(NOT_FOUND))
async def list_mailboxes(selected: Selected) -> MailboxPage:
    """List mailboxes by tenant and address; a tenant's key sees its own."""
    items, after = await selected.of(MAILBOXES)
    return MailboxPage(items=list(items), next=after)
