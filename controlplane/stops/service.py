"""Stops and starts the mail of a target, and records it as an event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.naming import address_name
from controlplane.conditions.model import TENANT
from controlplane.events.repository import emit
from controlplane.faults import (
    NOT_FOUND,
    OPERATORS_ONLY,
    STOPPED_BY_OPERATOR,
)
from controlplane.identity.access import Access
from controlplane.schedule.repository import request_pass, request_pass_of_all
from controlplane.schedule.schemas import Priority
from controlplane.stops.schemas import StopRequest
from controlplane.tenants import repository as tenant_rows
from controlplane.tenants import service as tenants
from controlplane.tenants.repository import TenantRow
from kit.faults import Fault
from sender import stops
from sender.schemas import Stop, StopScope
from sender.stops import Target

OF_ALL = frozenset({StopScope.PLATFORM, StopScope.QUEUE, StopScope.PROVIDER})
"""What operators stop for all tenants."""


@dataclass(frozen=True)
class ResolvedTarget:
    """A target with its tenant, None for the platform."""

    target: Target
    tenant: TenantRow | None

    @property
    def subject(self) -> str:
        """Return the subject of the event: `tenant`, `domain/acme.example`, `platform`."""
        if self.target.scope is StopScope.TENANT:
            return TENANT
        return f"{self.target.scope}/{self.target.name}" if self.target.name else "platform"


async def stop(
    connection: AsyncConnection, request: StopRequest, access: Access, *, now: datetime
) -> tuple[Stop, TenantRow | None]:
    """Stop mail. A tenant's key does not replace an operator's stop of the same target."""
    resolved = await _find(connection, request, access)
    current = await stops.find(connection, resolved.target)
    is_unchanged = current is not None and (
        (current.by_operator and not access.is_operator)
        or (current.reason, current.actor) == (request.reason, access.owner)
    )
    if not is_unchanged:
        await stops.stop(
            connection,
            resolved.target,
            reason=request.reason,
            actor=access.owner,
            by_operator=access.is_operator,
            now=now,
        )
        current = await stops.find(connection, resolved.target)
        await _record(connection, resolved, "Stopped", request, access, now)
    assert current is not None  # noqa: S101 - written or read in this transaction
    return current, resolved.tenant


async def start(
    connection: AsyncConnection, request: StopRequest, access: Access, *, now: datetime
) -> tuple[bool, list[Stop], TenantRow | None]:
    """Start mail; return whether it was stopped, and the stops that still hold it back."""
    resolved = await _find(connection, request, access)
    current = await stops.find(connection, resolved.target)
    if current is not None:
        if current.by_operator and not access.is_operator:
            raise STOPPED_BY_OPERATOR(reason=current.reason)
        await stops.start(connection, resolved.target)
    remaining = await _remaining(connection, resolved.target)
    if current is not None:
        await _record(connection, resolved, "Started", request, access, now)
    return current is not None, remaining, resolved.tenant


async def _remaining(connection: AsyncConnection, target: Target) -> list[Stop]:
    if target.tenant_id is None:
        return []
    current = await stops.stops_of(connection, target.tenant_id)
    if target.scope is StopScope.TENANT:
        return current
    return [stop for stop in current if stop.scope in (StopScope.PLATFORM, StopScope.TENANT)]


async def _find(
    connection: AsyncConnection, request: StopRequest, access: Access
) -> ResolvedTarget:
    """Return the target of a request, if its key may see and stop it."""
    row = await _tenant(connection, request, access)
    name = None if request.scope is StopScope.TENANT else request.name
    resolved = ResolvedTarget(Target(request.scope, None if row is None else row.id, name), row)
    if not _is_declared(resolved) and await stops.find(connection, resolved.target) is None:
        raise _not_found(request)
    return resolved


async def _tenant(
    connection: AsyncConnection, request: StopRequest, access: Access
) -> TenantRow | None:
    """Return whose mail a request means; None: of all tenants."""
    name = Target(request.scope, name=request.name).name or ""
    match request.scope:
        case scope if scope in OF_ALL and request.tenant is None and access.is_operator:
            return None
        case StopScope.PLATFORM:
            raise OPERATORS_ONLY()
        case StopScope.TENANT:
            return await tenants.find(connection, name)
        case StopScope.DOMAIN | StopScope.MAILBOX if request.tenant is None and access.is_operator:
            owner = await tenant_rows.owner_of(connection, name.rpartition("@")[2])
            if owner is None:
                raise _not_found(request)
            return owner
        case _:
            return await tenants.of_request(
                connection, access, request.tenant and request.tenant.lower()
            )


def _is_declared(resolved: ResolvedTarget) -> bool:
    """Return whether a document in force has the target, if it is what a document has."""
    if resolved.tenant is None:
        return True
    name, scope = resolved.target.name, resolved.target.scope
    documents = (resolved.tenant.document, resolved.tenant.applied)
    specs = [document.spec for document in documents if document is not None]
    match scope:
        case StopScope.DOMAIN:
            return any(name == domain.name for spec in specs for domain in spec.domains)
        case StopScope.MAILBOX:
            return any(name == box.address for spec in specs for box in spec.mailboxes)
        case StopScope.ADDRESS:
            return any(
                name == address_name(host.name, index)
                for spec in specs
                for host in spec.hosts
                for index in range(1, host.addresses + 1)
            )
        case _:
            return True


def _not_found(request: StopRequest) -> Fault:
    plurals = {StopScope.ADDRESS: "addresses", StopScope.MAILBOX: "mailboxes"}
    plural = plurals.get(request.scope, f"{request.scope}s")
    return NOT_FOUND(kind=request.scope, name=request.name, plural=plural)


async def _record(
    connection: AsyncConnection,
    resolved: ResolvedTarget,
    reason: str,
    request: StopRequest,
    access: Access,
    now: datetime,
) -> None:
    """Write the event, and request a pass, which sets the condition Available."""
    if resolved.tenant is None:
        await request_pass_of_all(connection, now=now)
    else:
        await request_pass(connection, resolved.tenant.id, Priority.USER, now=now)
    await emit(
        connection,
        tenant_id=resolved.tenant.id if resolved.tenant else None,
        tenant=resolved.tenant.name if resolved.tenant else None,
        at=now,
        subject=resolved.subject,
        kind="mail",
        reason=reason,
        message=request.reason,
        actor=access.owner,
    )
