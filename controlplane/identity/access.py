"""Maps the key of a request to a database role, a tenant and scopes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import API, OPERATOR, Database
from controlplane.faults import KEY_INVALID, KEY_MISSING, OPERATORS_ONLY, SCOPE_MISSING
from controlplane.identity.keys import Scope, matches, prefix_of
from controlplane.identity.repository import find_key
from controlplane.json_body import JsonRequest
from controlplane.requests import require_json

bearer = HTTPBearer(auto_error=False, description="An API key: `pm_live_…`")


@dataclass(frozen=True)
class Access:
    """The rights of a request. A tenant's key opens transactions that see only its tenant."""

    owner: str
    """Prefix of the key: the actor of events, and the owner of idempotency keys."""
    tenant_id: UUID | None
    scopes: frozenset[str]
    database: Database

    @property
    def is_operator(self) -> bool:
        """Return whether the key belongs to no tenant."""
        return self.tenant_id is None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open one transaction with the rights of the key."""
        role = OPERATOR if self.is_operator else API
        async with self.database.begin(role, tenant_id=self.tenant_id) as connection:
            yield connection


@dataclass(frozen=True)
class Guard:
    """A dependency: keys with a scope, of operators only where that is required."""

    scope: Scope
    operator: bool = False

    async def __call__(
        self,
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    ) -> Access:
        """Return the rights of a request that `admit` has checked."""
        del credentials
        access: Access = request.state.access
        return access

    async def admit(self, request: Request) -> None:
        """Check the key of a request and store its rights; raises if they do not suffice."""
        access = await _access(request)
        if self.scope not in access.scopes:
            raise SCOPE_MISSING(scope=self.scope)
        if self.operator and not access.is_operator:
            raise OPERATORS_ONLY()
        request.state.access = access


class GuardedRoute(APIRoute):
    """An endpoint that reads the body only after the key was checked.

    The framework parses the body before it runs dependencies.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the framework's handler behind the guards of the endpoint."""
        handle = super().get_route_handler()
        guards = tuple(_guards(self.dependant))

        async def guarded(request: Request) -> Response:
            for guard in guards:
                await guard.admit(request)
            if self.body_field is not None:
                require_json(request.headers)
            return await handle(JsonRequest(request.scope, request.receive))

        return guarded


def _guards(dependant: Dependant) -> Iterator[Guard]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Guard):
            yield inner.call
        yield from _guards(inner)


async def _access(request: Request) -> Access:
    credentials = await bearer(request)
    if credentials is None:
        raise KEY_MISSING()
    secret, state = credentials.credentials, request.app.state
    async with state.database.begin(API) as connection:
        row = await find_key(connection, prefix_of(secret))
    if row is None or not matches(secret, row.hash, state.pepper):
        raise KEY_INVALID()
    return Access(row.prefix, row.tenant_id, row.scopes, state.database)


Reader = Annotated[Access, Depends(Guard(Scope.TENANTS_READ))]
Writer = Annotated[Access, Depends(Guard(Scope.TENANTS_WRITE))]
OperatorReader = Annotated[Access, Depends(Guard(Scope.TENANTS_READ, operator=True))]
OperatorWriter = Annotated[Access, Depends(Guard(Scope.TENANTS_WRITE, operator=True))]
MessageReader = Annotated[Access, Depends(Guard(Scope.MESSAGES_READ))]
MessageSender = Annotated[Access, Depends(Guard(Scope.MESSAGES_SEND))]
