"""Holds of subjects: which subject a request means, and whose it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import cursor_of
from controlplane.faults import NOTHING_TO_HOLD
from controlplane.holds.schemas import HoldKind, HoldView
from controlplane.tenants import repository as tenant_rows
from controlplane.tenants import service as tenants
from sender.policy import holds, subjects
from sender.policy.holds import Shown
from sender.policy.model import Kind, Subject
from sender.policy.providers import NAMES
from sender.reasons import REASONS


@dataclass(frozen=True)
class Target:
    """What a request means, with the tenant that sends from it; None: all tenants."""

    subject: Subject
    tenant_id: UUID | None = None
    tenant: str | None = None


async def find(connection: AsyncConnection, kind: HoldKind, name: str) -> Target:
    """Return the target of a request; also one that is held, and that nobody sends from any more.

    Raises NOTHING_TO_HOLD.
    """
    subject = Subject(Kind(kind.value), name.lower())
    target = await _target(connection, subject)
    if target is not None:
        return target
    if await of_subject(connection, subject) is not None:
        return Target(subject)
    raise NOTHING_TO_HOLD(kind=kind, name=name, remedy=_remedy(subject))


async def _target(connection: AsyncConnection, subject: Subject) -> Target | None:
    if subject.kind is Kind.TENANT:
        row = await tenant_rows.find(connection, subject.name)
        return Target(Subject(Kind.TENANT, str(row.id)), row.id, row.name) if row else None
    if subject.kind is Kind.PROVIDER and subject.name in NAMES:
        return Target(subject)
    owner = (await subjects.owners_of(await cursor_of(connection), [subject])).get(subject)
    return Target(subject, owner.tenant_id, owner.tenant) if owner else None


def _remedy(subject: Subject) -> str:
    if subject.kind is Kind.TENANT:
        return "name one of `penguin get tenants`"
    if subject.kind is Kind.PROVIDER:
        return f"name one of {', '.join(sorted(NAMES))}, or an address at one: 198.18.1.2/google"
    return "name one that `penguin warmup show` lists"


async def of_tenant(connection: AsyncConnection, name: str) -> Collection[Subject]:
    """Return everything whose hold concerns mail of a tenant."""
    row = await tenants.find(connection, name)
    found = await subjects.of_tenant(await cursor_of(connection), row.id)
    own = () if found is None else (*found.own, *found.at_providers)
    everywhere = (Subject(Kind.PROVIDER, name) for name in NAMES)
    return [Subject(Kind.TENANT, str(row.id)), *everywhere, *own]


async def views(connection: AsyncConnection, rows: Sequence[Shown]) -> list[HoldView]:
    """Return holds as the API shows them."""
    held = [row.subject for row in rows]
    owners = await subjects.owners_of(await cursor_of(connection), held)
    ids = [UUID(subject.name) for subject in held if subject.kind is Kind.TENANT]
    names = {str(id_): name for id_, name in (await tenant_rows.names(connection, ids)).items()}
    names |= {subject.name: owner.tenant for subject, owner in owners.items()}
    return [view(row, names.get(row.subject.name)) for row in rows]


def view(row: Shown, tenant: str | None) -> HoldView:
    """Return a hold as the API shows it; that of a tenant is named by the tenant's name."""
    reason = REASONS.get(row.reason)
    is_tenant = row.subject.kind is Kind.TENANT
    return HoldView(
        kind=HoldKind(row.subject.kind.value),
        name=tenant if is_tenant and tenant else row.subject.name,
        tenant=tenant,
        code=row.reason,
        words=row.words,
        acts=reason and reason.acts,
        release=reason and reason.release,
        since=row.since,
        until=row.until,
        actor=row.actor,
    )


async def of_subject(connection: AsyncConnection, subject: Subject) -> Shown | None:
    """Return the hold of a subject, if it is held."""
    found = await holds.list_holds(await cursor_of(connection), of=[subject])
    return found[0] if found else None
