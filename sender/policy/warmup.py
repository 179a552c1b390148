"""The warm-up of each address, address at a provider, From domain and mailbox, in database time.

A subject without a row is on its first day: a new or replaced address, and a new mailbox. The day
grows with each good sending day (at least 70 % of what the curve allowed, and no hold), goes one
back after two holds in a week, and starts again after 30 idle days.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sender.policy.database import SQL, Cursor
from sender.policy.model import Kind, Subject, Warm


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


async def advance(cursor: Cursor) -> None:
    """Count the days that are over; done already, or done by another process, is fine."""
    await cursor.execute(SQL.advance)


async def warm(cursor: Cursor, subjects: Collection[Subject]) -> dict[Subject, Warm]:
    """Return the days of subjects, and what they have sent today; others are on their first."""
    await cursor.execute(SQL.warm, _columns(subjects))
    found = {}
    for kind, name, *numbers in await cursor.fetchall():
        subject = Subject(Kind(kind), name)
        found[subject] = Warm(subject, *numbers)
    return found


async def set_since(cursor: Cursor, since: datetime) -> set[Subject]:
    """Return the subjects whose day was set since a moment, or shortly before."""
    await cursor.execute(SQL.warmed, {"since": since})
    return {Subject(Kind(kind), name) for kind, name in await cursor.fetchall()}


async def show(cursor: Cursor, subjects: Collection[Subject]) -> list[WarmUp]:
    """Return the warm-up of each subject, in their order."""
    await cursor.execute(SQL.show, _columns(subjects))
    return [WarmUp(Subject(Kind(kind), name), *row) for kind, name, *row in await cursor.fetchall()]


async def set_day(
    cursor: Cursor, subjects: Collection[Subject], day: int, *, reason: str, actor: str
) -> None:
    """Set the day of their curves that subjects are on today."""
    values = _columns(subjects) | {"day": day, "reason": reason, "actor": actor}
    await cursor.execute(SQL.set_day, values)


def _columns(subjects: Collection[Subject]) -> dict[str, object]:
    return {
        "kinds": [subject.kind.value for subject in subjects],
        "subjects": [subject.name for subject in subjects],
    }
