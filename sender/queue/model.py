"""What callers enqueue, what handlers get, and what they answer.

What is made for each job is a named tuple: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from kit.database import storable

LIFE = timedelta(days=30)
LENGTH = 4000
"""Characters of a reason, words or a note."""


class NewJob(NamedTuple):
    """A job to enqueue."""

    bucket: str
    """Jobs of a bucket are held and released together."""
    body: bytes
    priority: int = 100
    """1 to 1000; low is urgent. Orders the jobs of one tenant."""
    delay: timedelta = timedelta()
    """Until it is due, from the database's now."""
    life: timedelta = LIFE
    """From when it is due until it expires."""
    key: str | None = None
    """Idempotency key: within a tenant, the first job of a key is the only one."""
    digest: bytes | None = None
    """Of what the key stands for, to tell a repetition from another request; None: of the body."""


class Job(NamedTuple):
    """A claimed job."""

    id: UUID
    tenant_id: UUID
    bucket_id: int
    token: int
    """Of the claim; what is written under an older one has no effect."""
    attempts: int
    """Spent before this one."""
    body: bytes

    @property
    def slot(self) -> int:
        """Return the part of all tenants that its tenant belongs to."""
        return self.tenant_id.int & 0xFF


class Intent(NamedTuple):
    """The announcement of an effect that cannot be undone."""

    job: Job
    note: str | None
    """What to know when the outcome is lost."""
    data: Any = None
    """For the extension; a JSON value."""


class State(StrEnum):
    """What became of an attempt."""

    DONE = "done"
    RETRY = "retry"
    DEAD = "dead"
    """Kept as a dead letter, for people."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """Whether it had its effect is not known: neither done nor tried again."""
    RELEASED = "released"
    """Not tried: it waits where it was, or in `bucket`."""


class Outcome(NamedTuple):
    """The result of an attempt."""

    state: State
    reason: str | None = None
    """A stable code."""
    words: str | None = None
    """For people: what was answered."""
    delay: timedelta = timedelta()
    """Until a retry is due."""
    spent: int = 1
    """Attempts that it counts as; 0 when nothing was tried."""
    bucket: str | None = None
    """With `retry` and `released`: the tenant's bucket in which it waits from now on."""
    note: str | None = None
    """Replaces the note of the intent in the record."""
    life: timedelta | None = None
    """The job expires so long from now, unless it expires earlier."""
    data: Any = None
    """For the extension; a JSON value."""


class Result(NamedTuple):
    """An attempt that is over."""

    job: Job
    outcome: Outcome
    intent: Intent | None = None
    """The last one."""


DONE = Outcome(State.DONE)
RELEASED = Outcome(State.RELEASED, spent=0)
EXPIRED = Outcome(State.EXPIRED, "expired", spent=0)


def writable(text: str | None) -> str | None:
    """Return a text that PostgreSQL accepts: whatever a host answered, the outcome is written."""
    return None if text is None else storable(text[:LENGTH])
