"""How much memory an operation has needed, as noted by what works for it in any thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Needed:
    """What the largest process of an operation has had."""

    peak: int | None = None
    """Bytes; None where the operation has no process of its own."""


_NEEDED: ContextVar[Needed | None] = ContextVar("needed", default=None)
"""Of the operation that a task works for; `asyncio.to_thread` gives it to the thread."""


@contextmanager
def measured() -> Iterator[Needed]:
    """Yield what the operation of this task needs."""
    needed = Needed()
    token = _NEEDED.set(needed)
    try:
        yield needed
    finally:
        _NEEDED.reset(token)


def note_peak(peak: int) -> None:
    """Note the most memory of a process that works for the operation; bytes."""
    if (needed := _NEEDED.get()) is not None:
        needed.peak = max(peak, needed.peak or 0)
