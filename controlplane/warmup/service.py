"""Warm-ups as the API shows them: day, cap and hold of each subject of a tenant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.tenant import Warmup
from blueprint.warmup import ADDRESS, DOMAIN, MAILBOX, Curve, Staircase
from controlplane.database import cursor_of
from controlplane.holds import service as holds_shown
from controlplane.pagination import paginate
from controlplane.warmup.schemas import WarmUpKind, WarmUpView
from sender.policy import holds, subjects, warmup
from sender.policy.holds import Shown
from sender.policy.model import Kind, Subject
from sender.policy.subjects import Subjects
from sender.policy.warmup import WarmUp

CURVES: dict[Kind, Mapping[Warmup, Curve | Staircase]] = {
    Kind.ADDRESS: ADDRESS,
    Kind.PROVIDER: ADDRESS,
    Kind.DOMAIN: DOMAIN,
    Kind.MAILBOX: MAILBOX,
}


async def view(
    connection: AsyncConnection, subject: Subject, tenant_id: UUID, tenant: str
) -> WarmUpView:
    """Return one warm-up of a tenant."""
    (shown,) = await views(connection, [subject], tenant_id, tenant)
    return shown


async def views(
    connection: AsyncConnection, wanted: Sequence[Subject], tenant_id: UUID, tenant: str
) -> list[WarmUpView]:
    """Return warm-ups of a tenant."""
    cursor = await cursor_of(connection)
    found = await subjects.of_tenant(cursor, tenant_id)
    if found is None or not wanted:
        return []
    everywhere = {one: _whole(one) for one in wanted}
    concerned = {*wanted, *everywhere.values()}
    held = {hold.subject: hold for hold in await holds.list_holds(cursor, of=concerned)}
    return [
        _view(one, found, tenant, held.get(one.subject) or held.get(everywhere[one.subject]))
        for one in await warmup.show(cursor, wanted)
    ]


def _whole(subject: Subject) -> Subject:
    """Return the provider of an address at one; any other subject itself."""
    return Subject(subject.kind, subject.name.rpartition("/")[2])


def _view(shown: WarmUp, found: Subjects, tenant: str, held: Shown | None) -> WarmUpView:
    subject = shown.subject
    curve = CURVES[subject.kind][found.warmup]
    return WarmUpView(
        kind=WarmUpKind(subject.kind.value),
        name=subject.name,
        tenant=tenant,
        curve=found.warmup,
        day=shown.day,
        cap=curve.cap(shown.day),
        daily_cap=found.daily_caps.get(subject),
        target=curve.target,
        good_days_to_target=max(0, curve.days - shown.day),
        started=shown.started,
        good_days=shown.good_days,
        steps_back=shown.steps_back,
        last_used=shown.last_used,
        used_today=shown.used_today,
        set_by=shown.set_by,
        set_reason=shown.set_reason,
        hold=held and holds_shown.view(held, tenant if held.subject == subject else None),
    )


async def listed(
    connection: AsyncConnection, tenant_id: UUID, kind: WarmUpKind | None
) -> list[Subject]:
    """Return what a list shows: of addresses at providers only those that have sent there."""
    cursor = await cursor_of(connection)
    found = await subjects.of_tenant(cursor, tenant_id)
    if found is None:
        return []
    if kind is WarmUpKind.PROVIDER:
        known = await warmup.warm(cursor, found.at_providers)
        return [subject for subject in found.at_providers if subject in known]
    return [one for one in found.own if kind is None or one.kind.value == kind]


def page(found: Sequence[Subject], cursor: str, limit: int) -> tuple[Sequence[Subject], str | None]:
    """Return the subjects of a page, by kind and name, and the cursor of the next."""
    ordered = sorted(found, key=_position)
    start = bisect_right(ordered, cursor, key=_position)
    return paginate(ordered[start : start + limit + 1], limit, _position)


def _position(subject: Subject) -> str:
    return f"{subject.kind}/{subject.name}"
