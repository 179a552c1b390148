"""The calls of a worker's handler."""

from __future__ import annotations

import asyncio

import structlog

from sender.queue.attempts import Attempt, Handler, Lost, Refused
from sender.queue.exchanges import Exchanges
from sender.queue.model import DONE, RELEASED, Outcome, Result, State
from sender.queue.retries import delay
from sender.queue.settings import Settings
from sender.queue.source import Source

log = structlog.get_logger(__name__)


class Handlers:
    """Calls the handler for jobs of a source, as often at the same time as the settings allow."""

    def __init__(
        self, handler: Handler, settings: Settings, source: Source, exchanges: Exchanges
    ) -> None:
        self._handler = handler
        self._settings = settings
        self._source = source
        self._exchanges = exchanges
        self._running: dict[asyncio.Task[None], tuple[float, Attempt]] = {}
        """When each was called, in this order."""
        self._ending = False

    def start(self) -> None:
        """Call the handler for what waits."""
        if self._ending:
            return
        loop = asyncio.get_running_loop()
        for job in self._source.get(self._settings.concurrency - len(self._running)):
            attempt = Attempt(job, self._exchanges.begin)
            task = loop.create_task(self._call(attempt))
            self._running[task] = loop.time(), attempt
            task.add_done_callback(self._called)

    async def end(self) -> None:
        """Call the handler no more, and give running calls their time to end."""
        self._ending = True
        await self._wait(self._settings.grace)
        for task, (_, attempt) in self._running.items():
            if not attempt.has_begun:
                task.cancel()
        await self._wait(self._settings.grace_begun - self._settings.grace)
        self.cancel()

    async def _wait(self, seconds: float) -> None:
        if self._running and seconds > 0:
            await asyncio.wait(list(self._running), timeout=seconds)

    def cancel(self) -> None:
        """Break off what runs."""
        for task in self._running:
            task.cancel()

    def cancel_late(self) -> None:
        """Break off what has run for longer than its time limit."""
        limit = asyncio.get_running_loop().time() - self._settings.time_limit
        for task, (called, _) in list(self._running.items()):
            if called > limit:
                break
            task.cancel()

    async def _call(self, attempt: Attempt) -> None:
        job = attempt.job
        try:
            outcome = await self._handler(attempt) or DONE
        except Lost:
            untried = Outcome(State.RETRY, "intent_lost", delay=delay(1), spent=0)
            outcome = _unless_begun(attempt, untried)
        except Refused as refused:
            outcome = _unless_begun(attempt, refused.outcome)
        except asyncio.CancelledError:
            is_untried = self._ending and not attempt.has_begun
            outcome = RELEASED if is_untried else attempt.broken_off("time_limit")
        except Exception as error:
            log.exception("queue.handler_failed", job=str(job.id))
            outcome = attempt.broken_off("handler_failed", type(error).__name__)
        self._exchanges.finish(Result(job, outcome, attempt.intent))

    def _called(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self.start()
        if not self._running or self._exchanges.waiting * 2 >= self._settings.at_risk:
            self._exchanges.work.set()


def _unless_begun(attempt: Attempt, outcome: Outcome) -> Outcome:
    """Return an outcome of `begin`, which is none of a handler that had begun before."""
    return attempt.broken_off("handler_failed") if attempt.has_begun else outcome
