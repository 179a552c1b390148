"""What a pass depended on: the next one ends at once while all of it is as before.

A pass that found nothing to do would find nothing again from the same rows and the same answers, at
a time that makes no difference. Kept in the memory of the process, so that nothing outlives what a
process has read once: settings, playbooks, keys, its own code.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from kit.faults import Fault

log = structlog.get_logger()
Question = Callable[[], object]
"""Asks for something outside of the database; blocks. Its answer is compared by `==`."""
NEVER = datetime.min.replace(tzinfo=UTC)
ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Rest:
    """A pass that found nothing to do, and changed nothing."""

    rows: bytes
    """Digest of all rows that it read."""
    answers: Sequence[tuple[Question, object]]
    """What it asked outside of the database, and was answered."""
    until: datetime
    """From then on time may make a difference."""

    def is_confirmed(self) -> bool:
        """Ask everything again; return whether all answers are the same. Blocks."""
        try:
            return all(question() == answer for question, answer in self.answers)
        except Fault as fault:
            log.info("asked in a whole pass", code=str(fault.code))
            return False


class Dependencies:
    """Collects what one pass depends on."""

    def __init__(self) -> None:
        self._answers: list[tuple[Question, object]] = []
        self._until = ALWAYS

    def answered(self, question: Question, answer: object) -> None:
        """Note what was asked outside of the database."""
        self._answers.append((question, answer))

    def until(self, at: datetime) -> None:
        """Note from when on time may make a difference."""
        self._until = min(self._until, at)

    def lose(self) -> None:
        """Note that something was changed, or read that the next pass does not compare."""
        self._until = NEVER

    def rest(self, rows: bytes | None, *, now: datetime, limit: datetime) -> Rest | None:
        """Return the rest of a pass with nothing to do that began with these rows.

        It ends at `limit` at the latest; None where it is over already.
        """
        until = min(self._until, limit)
        return Rest(rows, tuple(self._answers), until) if rows is not None and now < until else None


class Rests:
    """The tenants that are at rest, in one process."""

    def __init__(self, longest: timedelta, rng: random.Random) -> None:
        """`longest` is after how long a whole pass is made although nothing has changed."""
        self._longest = longest
        self._rng = rng
        self._rests: dict[UUID, Rest] = {}

    def find(self, tenant_id: UUID, *, now: datetime) -> Rest | None:
        """Return the rest of a tenant that is not over."""
        rest = self._rests.get(tenant_id)
        return rest if rest is not None and now < rest.until else None

    def keep(
        self, tenant_id: UUID, dependencies: Dependencies, rows: bytes | None, *, now: datetime
    ) -> None:
        """Keep what a pass depended on that ended with nothing to do.

        Whole passes over tenants that came to rest together are spread.
        """
        limit = now + self._longest * self._rng.uniform(0.5, 1)
        rest = dependencies.rest(rows, now=now, limit=limit)
        if rest is None:
            self.forget(tenant_id)
        else:
            self._rests[tenant_id] = rest

    def forget(self, tenant_id: UUID) -> None:
        """Let the next pass be a whole one."""
        self._rests.pop(tenant_id, None)
