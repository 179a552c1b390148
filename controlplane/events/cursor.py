"""Cursors over events: what a reader has seen, as PostgreSQL's snapshots say it.

Transactions commit in another order than their events are numbered. A number alone as the cursor
would leave out events of a transaction that ends later, unless all writers, or all readers, waited
for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from controlplane.faults import INVALID_REQUEST, WRONG_CURSOR
from kit.faults import Fault

NUMBER = "(0|[1-9][0-9]{0,17})"
SNAPSHOT = f"{NUMBER}:{NUMBER}:((?:{NUMBER}(?:,{NUMBER})*)?)"
CURSOR = re.compile(f"((?P<seen>{SNAPSHOT})?/(?P<until>{SNAPSHOT})?/)?(?P<last>{NUMBER})", re.ASCII)


@dataclass(frozen=True)
class Cursor:
    """A place between two events."""

    last: int = 0
    """The number of the last event of the page."""
    seen: str | None = None
    """The snapshot up to which all was read; None: nothing was."""
    until: str | None = None
    """The snapshot up to which the pages of this reading go; None: a new one begins."""

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor; raises `request.invalid` for what is none. A number has no snapshots."""
        found = CURSOR.fullmatch(text)
        if found is None:
            raise _refusal()
        seen, until = _snapshot(found["seen"]), _snapshot(found["until"])
        return cls(int(found["last"]), seen, until)

    def __str__(self) -> str:
        if self.seen is None and self.until is None:
            return str(self.last)
        return f"{self.seen or ''}/{self.until or ''}/{self.last}"


def _refusal() -> Fault:
    return INVALID_REQUEST(violations=(WRONG_CURSOR.violation(path="query.cursor"),))


def _snapshot(text: str | None) -> str | None:
    """Return a snapshot as PostgreSQL accepts it."""
    if text is None:
        return None
    first, end, running = text.split(":")
    numbers = [int(number) for number in running.split(",") if number]
    if not 0 < int(first) <= int(end) or any(
        not int(first) <= number < int(end) for number in numbers
    ):
        raise _refusal()
    if numbers != sorted(set(numbers)):
        raise _refusal()
    return text
