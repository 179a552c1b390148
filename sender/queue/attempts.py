"""A job in the hands of its handler, and the commit of its intent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sender.queue.model import Intent, Job, Outcome, State
from sender.queue.retries import delay


class Lost(Exception):
    """The job is another worker's by now, or has begun already: nothing may be done."""


class Refused(Exception):
    """The extension did not let the intent through; another one may be tried."""

    def __init__(self, outcome: Outcome) -> None:
        """Carry what becomes of the job if the handler does not catch this."""
        super().__init__(outcome.reason)
        self.outcome = outcome


class Attempt:
    """A job in the hands of its handler."""

    __slots__ = ("_begin", "_is_beginning", "has_begun", "intent", "job")

    def __init__(self, job: Job, begin: Callable[[Intent], Awaitable[None]]) -> None:
        """Get what commits an intent."""
        self.job = job
        self.intent: Intent | None = None
        self.has_begun = False
        self._begin = begin
        self._is_beginning = False

    async def begin(self, note: str | None = None, data: Any = None) -> None:
        """Commit the intent: if its outcome is lost from here on, the job is `unknown`.

        Waits while the database is away. `data` is for the extension. Raises Lost, and Refused if
        there is an extension.
        """
        if self._is_beginning or self.has_begun:
            raise Lost
        self._is_beginning = True
        try:
            self.intent = Intent(self.job, note, data)
            await self._begin(self.intent)
            self.has_begun = True
        finally:
            self._is_beginning = False

    def broken_off(self, reason: str, words: str | None = None) -> Outcome:
        """Return the outcome of a handler that did not return one."""
        if self.has_begun:
            return Outcome(State.UNKNOWN, reason, words)
        return Outcome(State.RETRY, reason, words, delay(self.job.attempts + 1))


Handler = Callable[[Attempt], Awaitable[Outcome | None]]
"""Says what became of a job; None is `done`."""
