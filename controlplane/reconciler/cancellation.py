"""Whether a person has cancelled an operation: for what works for it, in any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CANCELLED: ContextVar[threading.Event | None] = ContextVar("cancelled", default=None)
"""Of the operation that a task works for; `asyncio.to_thread` gives it to the thread."""


@contextmanager
def cancellable() -> Iterator[threading.Event]:
    """Yield what is set when the operation of this task is cancelled."""
    event = threading.Event()
    token = _CANCELLED.set(event)
    try:
        yield event
    finally:
        _CANCELLED.reset(token)


def is_cancelled() -> bool:
    """Return whether the operation is to end at its next safe point."""
    event = _CANCELLED.get()
    return event is not None and event.is_set()
