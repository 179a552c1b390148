"""Holds: a subject that sends nothing until a moment, or until somebody releases it.

Every hold comes through `hold`: from refusals of our own host and from people. A day with a hold is
no good day of a warm-up; two holds in a week take it one day back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sender.policy.database import SQL, Cursor
from sender.policy.model import Hold, Kind, Subject
from sender.reasons import REASONS


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
