"""`/api/v1/tenants`: write the desired state, read the observed state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.document import Blueprint
from blueprint.fields import Flag, Matching, Text
from blueprint.loading import check
from blueprint.tenant import Tenant
from controlplane.conditions import repository as conditions
from controlplane.conditions.model import TENANT
from controlplane.faults import (
    DESTROYS_MAIL,
    DOMAIN_TAKEN,
    HOST_LEAVES_MAIL,
    KEYS_PENDING,
    NOT_FOUND,
    OPERATORS_ONLY,
    SERVER_NOT_ENDED,
    TENANT_DELETING,
    TENANT_EXISTS,
    TENANT_MOVED,
    TENANT_WRONG_NAME,
)
from controlplane.identity.access import Access, GuardedRoute, OperatorWriter, Reader, Writer
from controlplane.pagination import Limit, NameCursor, ReasonOrCode, as_reason, paginate
from controlplane.problems import responses
from controlplane.tenants import idempotency, repository, selectors, service
from controlplane.tenants.buying_again import buy_again
from controlplane.tenants.idempotency import StoredResponse
from controlplane.tenants.preconditions import Expected, etag
from controlplane.tenants.schemas import EXAMPLE, RetryRequest, TenantPage, TenantView
from controlplane.tenants.selectors import Requirement, SelectorText
from controlplane.tenants.service import Agreement, Outcome
from kit.faults import Fault
from sender.faults import IDEMPOTENCY_MISMATCH

router = APIRouter(tags=["tenants"], route_class=GuardedRoute)
Document = Annotated[Tenant, Body(openapi_examples={"acme": {"value": EXAMPLE}})]
IdempotencyKey = Annotated[
    Text | None, Header(min_length=1, max_length=200, examples=["acme-2026-11-24"])
]
Labels = Annotated[
    list[Annotated[str, Matching(r"^[^=\u0000]+=[^\u0000]*$", "write `key=value`")]],
    Query(alias="label", description="`key=value` that the tenants have", examples=[["team=mail"]]),
]
Selector = Annotated[
    SelectorText,
    Query(
        description="requirements of labels, as `kubectl` writes them",
        max_length=1000,
        examples=["team in (mail, web),!legacy"],
    ),
]
WithParts = Annotated[
    Flag,
    Query(description="with the conditions of hosts, addresses, domains and mailboxes"),
]
Name = Annotated[Text, Path(description="the tenant's name", examples=["acme"])]
DestroyMail = Annotated[
    Flag,
    Query(description="agree that mail of people is destroyed; the refusal without it says which"),
]
Discard = Annotated[
    int | None,
    Query(
        ge=0,
        le=10**9,
        description="agree that as many mails are destroyed with Mailu of a host, and no more",
    ),
]
WITHOUT_PURCHASES = RetryRequest()
OUTCOME = "Penguin-Outcome"
ETAG = {
    "ETag": {
        "description": "the generation of `document`, quoted, for If-Match; "
        "conditions, pause and cost change without it",
        "schema": {"type": "string"},
    }
}
APPLIED = {
    **ETAG,
    OUTCOME: {
        "description": "what the request did",
        "schema": {"enum": ["created", "configured", "unchanged"]},
    },
}
LOCATED = {**APPLIED, "Location": {"schema": {"type": "string"}}}
"""Headers of responses in the OpenAPI document."""


def _checked(document: Document, request: Request) -> Tenant:
    check(document, request.app.state.platform)
    return document


Checked = Annotated[Tenant, Depends(_checked)]
"""The body, after the checks across its fields."""


@router.post(
    "/tenants",
    status_code=201,
    responses={
        **responses(TENANT_EXISTS, DOMAIN_TAKEN, IDEMPOTENCY_MISMATCH),
        201: {"headers": LOCATED},
    },
    response_model=TenantView,
)
async def create_tenant(
    access: OperatorWriter,
    document: Checked,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> TenantView | Response:
    """Create a tenant. The same request with the same Idempotency-Key creates it once."""
    body, now = document.model_dump_json(by_alias=True), request.app.state.clock()
    async with _claiming(access, document, request) as connection:
        if idempotency_key is not None:
            stored = await idempotency.find(
                connection, access.owner, idempotency_key, body, now=now
            )
            if stored is not None:
                replay = Response(stored.body, stored.status, media_type="application/json")
                replay.headers["Idempotent-Replayed"] = "true"
                _describe(replay, document.metadata.name, 1, "created")
                return replay
        row = await service.create(connection, document, request.app.state.platform, now=now)
        shown = service.view(row, [], request.app.state.platform)
        if idempotency_key is not None:
            await idempotency.save(
                connection,
                access.owner,
                idempotency_key,
                body,
                StoredResponse(201, shown.model_dump_json(by_alias=True)),
                now=now,
            )
    _describe(response, row.name, row.generation, "created")
    return shown


@router.get("/tenants")
async def list_tenants(
    request: Request,
    access: Reader,
    labels: Labels = [],  # noqa: B006 - never changed
    selector: Selector | None = None,
    reason: ReasonOrCode | None = None,
    parts: WithParts = True,
    cursor: NameCursor = "",
    limit: Limit = 20,
) -> TenantPage:
    """List tenants by name, those that meet all that is given; a tenant's key sees its own."""
    platform = request.app.state.platform
    pairs = [(key, value) for key, _, value in (label.partition("=") for label in labels)]
    requirements = [Requirement(key, frozenset([value]), negated=False) for key, value in pairs]
    requirements += [] if selector is None else selectors.read(selector)
    async with access.begin() as connection:
        rows = await repository.select(
            connection,
            after=cursor,
            requirements=requirements,
            reason=reason and as_reason(reason),
            limit=limit + 1,
        )
        shown, following = paginate(rows, limit, lambda row: row.name)
        conditions_of = await conditions.load_all(
            connection, [row.id for row in shown], subject=None if parts else TENANT
        )
    items = [service.view(row, conditions_of[row.id], platform) for row in shown]
    return TenantPage(items=items, next=following)


@router.get("/tenants/{name}", responses={**responses(NOT_FOUND), 200: {"headers": ETAG}})
async def get_tenant(
    name: Name, request: Request, response: Response, access: Reader
) -> TenantView:
    """Return a tenant with its conditions."""
    async with access.begin() as connection:
        row = await service.find(connection, name)
        response.headers["ETag"] = etag(row.generation)
        return await _view(connection, row, request)


@router.put(
    "/tenants/{name}",
    responses={
        **responses(
            NOT_FOUND,
            TENANT_DELETING,
            DOMAIN_TAKEN,
            DESTROYS_MAIL,
            HOST_LEAVES_MAIL,
            TENANT_MOVED,
            TENANT_WRONG_NAME,
        ),
        200: {"headers": APPLIED},
        201: {"headers": LOCATED, "model": TenantView, "description": "Created"},
    },
)
async def apply_tenant(
    name: Name,
    access: Writer,
    document: Checked,
    expected: Expected,
    request: Request,
    response: Response,
    destroy_mail: DestroyMail = False,
    discard: Discard = None,
) -> TenantView:
    """Write a tenant's document; an operator's key creates a missing tenant.

    An equal document changes nothing. `If-Match` with the ETag refuses the request when the
    tenant was changed meanwhile, `If-None-Match: *` when it exists.
    """
    async with _claiming(access, document, request) as connection:
        row, outcome = await service.apply(
            connection,
            name,
            document,
            expected,
            may_create=access.is_operator,
            agreed=Agreement(request.app.state.platform, destroy_mail, discard),
            now=request.app.state.clock(),
        )
        if outcome == "created":
            response.status_code = 201
        _describe(response, name, row.generation, outcome)
        return await _view(connection, row, request)


@router.post(
    "/tenants/{name}/retry",
    responses=responses(
        NOT_FOUND, DESTROYS_MAIL, DOMAIN_TAKEN, OPERATORS_ONLY, SERVER_NOT_ENDED, TENANT_DELETING
    ),
)
async def retry_tenant(
    name: Name, request: Request, access: Writer, body: RetryRequest = WITHOUT_PURCHASES
) -> TenantView:
    """Try again what has failed, also what is not repeated by itself, and look at the tenant now.

    Of a tenant that is stalled or drifted it is the same as applying its document again. Servers
    that have ended at the provider are bought again only of hosts in `buy_again`.
    """
    agreed = Agreement(request.app.state.platform, destroys_mail=False)
    now = request.app.state.clock()
    async with access.begin() as connection:
        row = await service.retry(connection, name, agreed, now=now)
        if body.buy_again:
            await buy_again(connection, row, body.buy_again, access, now=now)
        return await _view(connection, row, request)


@router.delete("/tenants/{name}", status_code=202, responses=responses(NOT_FOUND, DESTROYS_MAIL))
async def delete_tenant(
    name: Name, request: Request, access: OperatorWriter, destroy_mail: DestroyMail = False
) -> TenantView:
    """Request the deletion of a tenant; it is complete when GET returns 404."""
    now = request.app.state.clock()
    async with access.begin() as connection:
        row = await service.delete(connection, name, destroys_mail=destroy_mail, now=now)
        return await _view(connection, row, request)


@router.get("/tenants/{name}/blueprint", responses=responses(NOT_FOUND, KEYS_PENDING))
async def get_blueprint(name: Name, request: Request, access: Reader) -> Blueprint:
    """Return the rendered blueprint of the current generation; it contains no secret."""
    async with access.begin() as connection:
        row = await service.find(connection, name)
        return await service.blueprint_of(connection, row, request.app.state.platform)


@router.post("/blueprints", responses=responses(TENANT_DELETING, DOMAIN_TAKEN))
async def render_blueprint(access: Reader, document: Checked, request: Request) -> Blueprint:
    """Render a document without storing it: the resources that would exist, and their cost."""
    async with access.begin() as connection:
        return await service.preview(connection, document, request.app.state.platform)


@asynccontextmanager
async def _claiming(
    access: Access, document: Tenant, request: Request
) -> AsyncIterator[AsyncConnection]:
    """Open the transaction of a document. If a claim is refused, what other tenants drain ends."""
    try:
        async with access.begin() as connection:
            yield connection
    except Fault as fault:
        if fault.code is DOMAIN_TAKEN:
            async with access.begin() as connection:
                await service.end_draining_for(connection, document, now=request.app.state.clock())
        raise


def _describe(response: Response, name: str, generation: int, outcome: Outcome) -> None:
    """Set the headers that describe the outcome of a request."""
    response.headers[OUTCOME] = outcome
    response.headers["ETag"] = etag(generation)
    if outcome == "created":
        response.headers["Location"] = f"/api/v1/tenants/{name}"


async def _view(
    connection: AsyncConnection, row: repository.TenantRow, request: Request
) -> TenantView:
    return service.view(row, await conditions.load(connection, row.id), request.app.state.platform)
