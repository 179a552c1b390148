"""Turns the key of a request into a role of the database, a tenant's scope and permissions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import API, OPERATOR, Database
from controlplane.faults import KEY_INVALID, KEY_MISSING, OPERATORS_ONLY, SCOPE_MISSING
from controlplane.identity.keys import Scope, matches, prefix_of
from controlplane.identity.repository import find_key

bearer = HTTPBearer(auto_error=False, description="An API key: `pm_live_…`")


@dataclass(frozen=True)
class Access:
    """Who asks. A tenant's key opens transactions that see nothing but its tenant."""

    owner: str
    """Prefix of the key; names who did something, and separates idempotency keys."""
    tenant_id: UUID | None
    scopes: frozenset[str]
    database: Database

    @property
    def is_operator(self) -> bool:
        """Tell whether the key is not bound to a tenant."""
        return self.tenant_id is None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open one transaction with the rights of the key."""
        role = OPERATOR if self.is_operator else API
        async with self.database.begin(role, tenant_id=self.tenant_id) as connection:
            yield connection


async def _access(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Access:
    database: Database = request.app.state.database
    if credentials is None:
        raise KEY_MISSING()
    secret = credentials.credentials
    async with database.begin(API) as connection:
        row = await find_key(connection, prefix_of(secret))
    if row is None or row.revoked or not matches(secret, row.hash, request.app.state.pepper):
        raise KEY_INVALID()
    return Access(row.prefix, row.tenant_id, row.scopes, database)


def require(scope: Scope, *, operator: bool = False) -> Callable[..., Awaitable[Access]]:
    """Return a dependency that lets in keys with a scope, and operators' keys only if asked."""

    async def check(access: Annotated[Access, Depends(_access)]) -> Access:
        if scope not in access.scopes:
            raise SCOPE_MISSING(scope=scope)
        if operator and not access.is_operator:
            raise OPERATORS_ONLY()
        return access

    return check


Reader = Annotated[Access, Depends(require(Scope.TENANTS_READ))]
Writer = Annotated[Access, Depends(require(Scope.TENANTS_WRITE))]
OperatorWriter = Annotated[Access, Depends(require(Scope.TENANTS_WRITE, operator=True))]
MessageReader = Annotated[Access, Depends(require(Scope.MESSAGES_READ))]
MessageSender = Annotated[Access, Depends(require(Scope.MESSAGES_SEND))]
