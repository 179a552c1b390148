"""The warm-up of each address, address at a provider, From domain and mailbox, in database time.

A subject without a row is on its first day: a new or replaced address, and a new mailbox. The day
grows with each good sending day (at least 70 % of what the curve allowed, and no hold), goes one
back after two holds in a week, and starts again after 30 idle days.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from blueprint.tenant import Warmup
from sender.policy.database import SQL, Cursor
from sender.policy.model import Kind, Subject, Warm
from sender.policy.providers import NAMES


@dataclass(frozen=True)
class WarmUp:
    """The warm-up of one subject, for people."""

    subject: Subject
    day: int
    started: date | None
    """None: it has sent nothing, or nothing that was counted yet."""
    good_days: int
    steps_back: int
    last_used: date | None
    used_today: int
    set_by: str | None
    """Prefix of the key of the operator who set the day last."""
    set_reason: str | None


@dataclass(frozen=True)
class Owner:
    """Whose mail counts for a subject."""

    tenant_id: UUID
    tenant: str
    """Name of the tenant."""
    warmup: Warmup


async def owner_of(cursor: Cursor, subject: Subject) -> Owner | None:
    """Return the tenant that sends from a subject, by the sender's directory; None: nobody does."""
    name, _, provider = subject.name.partition("/")
    if subject.kind is Kind.PROVIDER and provider not in NAMES:
        return None
    lists = {
        Kind.ADDRESS: ("addresses", "ip"),
        Kind.PROVIDER: ("addresses", "ip"),
        Kind.DOMAIN: ("domains", "name"),
        Kind.MAILBOX: ("mailboxes", "address"),
    }
    key, field = lists[subject.kind]
    part = {key: [{field: name if subject.kind is Kind.PROVIDER else subject.name}]}
    await cursor.execute(SQL.owner, {"part": json.dumps(part)})
    row = await cursor.fetchone()
    return None if row is None else Owner(row[0], row[1], Warmup(row[2]))


async def advance(cursor: Cursor) -> None:
    """Count the days that are over; done already, or done by another process, is fine."""
    await cursor.execute(SQL.advance)


async def warm(cursor: Cursor, subjects: Collection[Subject]) -> dict[Subject, Warm]:
    """Return the days of subjects, and what they have sent today; others are on their first."""
    values = {
        "kinds": [subject.kind.value for subject in subjects],
        "subjects": [subject.name for subject in subjects],
    }
    await cursor.execute(SQL.warm, values)
    found = {}
    for kind, name, *numbers in await cursor.fetchall():
        subject = Subject(Kind(kind), name)
        found[subject] = Warm(subject, *numbers)
    return found


async def set_since(cursor: Cursor, since: datetime) -> set[Subject]:
    """Return the subjects whose day was set since a moment, or shortly before."""
    await cursor.execute(SQL.warmed, {"since": since})
    return {Subject(Kind(kind), name) for kind, name in await cursor.fetchall()}


async def show(cursor: Cursor, subject: Subject) -> WarmUp:
    """Return the warm-up of a subject."""
    await cursor.execute(SQL.show, {"kind": subject.kind.value, "subject": subject.name})
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a row for any subject
    return WarmUp(subject, *row)


async def set_day(cursor: Cursor, subject: Subject, day: int, *, reason: str, actor: str) -> None:
    """Set the day of a subject's curve, which it is on today."""
    await cursor.execute(
        SQL.set_day,
        {
            "kind": subject.kind.value,
            "subject": subject.name,
            "day": day,
            "reason": reason,
            "actor": actor,
        },
    )
