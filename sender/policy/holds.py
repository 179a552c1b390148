"""Holds: a subject that sends nothing until a moment, or until somebody releases it.

Every hold comes through `hold`: from refusals of our own host and from people. A day with a hold is
no good day of a warm-up, of an address or a provider also none of the address there; two holds in a
week take it one day back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sender.policy.database import SQL, Cursor
from sender.policy.model import Hold, Kind, Subject
from sender.reasons import REASONS


@dataclass(frozen=True)
class Shown:
    """A hold, for people."""

    subject: Subject
    reason: str
    words: str
    since: datetime
    until: datetime | None
    actor: str | None
    """Prefix of a person's key; None: the sender."""


FIRST = ("", "")
"""Comes before every hold of a list."""


async def hold(
    cursor: Cursor,
    subject: Subject,
    reason: str,
    until: datetime | timedelta | None,
    *,
    words: str | None = None,
    actor: str | None = None,
) -> None:
    """Hold a subject until a moment, for a time (of the database), or until it is released (None).

    `reason` is a code of `sender.reasons`, `actor` the prefix of a person's key. A hold that
    overlaps the one before prolongs it.
    """
    known = REASONS.get(reason)
    await cursor.execute(
        SQL.hold,
        {
            "kind": subject.kind.value,
            "subject": subject.name,
            "until": until if isinstance(until, datetime) else None,
            "lasting": until if isinstance(until, timedelta) else None,
            "reason": reason,
            "words": words or (known.words if known else reason),
            "actor": actor,
        },
    )


async def is_ahead(cursor: Cursor, moment: datetime) -> bool:
    """Return whether a moment is ahead of the database's time."""
    await cursor.execute(SQL.now)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - a select without a table has one row
    return bool(row[0] < moment)


async def release(cursor: Cursor, subject: Subject) -> bool:
    """End a hold; False where there was none."""
    values = {"kind": subject.kind.value, "subject": subject.name}
    await cursor.execute(SQL.release, values)
    return await cursor.fetchone() is not None


async def active(cursor: Cursor) -> dict[Subject, Hold]:
    """Return everything that is held now."""
    await cursor.execute(SQL.active_holds)
    found = {}
    for kind, name, reason, words, until in await cursor.fetchall():
        subject = Subject(Kind(kind), name)
        found[subject] = Hold(subject, reason, words, until)
    return found


async def list_holds(
    cursor: Cursor,
    *,
    of: Collection[Subject] | None = None,
    after: tuple[str, str] = FIRST,
    limit: int | None = None,
) -> list[Shown]:
    """Return what is held now, also only of some subjects, by kind and name."""
    values = {
        "kinds": None if of is None else [subject.kind.value for subject in of],
        "subjects": None if of is None else [subject.name for subject in of],
        "after_kind": after[0],
        "after_subject": after[1],
        "limit": limit,
    }
    await cursor.execute(SQL.list_holds, values)
    return [Shown(Subject(Kind(kind), name), *row) for kind, name, *row in await cursor.fetchall()]
