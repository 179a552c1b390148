"""Points at which a sender ends itself: wrapped around its methods, which know nothing of them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from sender.composer import Composer
from sender.queue import Attempt, Worker
from sender.queue.model import State
from sender.queue.store import Store
from sender.smtp import Egress
from sender.smtp.channel import Channel
from sender.smtp.connection import Connection
from tests.chaos.queue.journal import Journal, Step

LONGEST = 0.004
"""Seconds that composing, or an exchange with the database, often takes."""
ACCEPTED = 250
POISON = "poison"
"""The subject of a mail that ends whoever writes it."""
Method = Callable[..., Any]


class Point(StrEnum):
    """Where a sender ends."""

    CLAIM = "claim"
    COMPOSE = "compose"
    BEFORE_INTENT = "before the intent"
    BEFORE_LAST_BYTES = "between intent and last bytes"
    AFTER_LAST_BYTES = "after the last bytes"
    ANSWERED = "250 in hand"
    COMMIT = "during the outcome's commit"


class Watch:
    """Writes the journal of a process, and ends it at its point."""

    def __init__(self, journal: Journal, point: Point | None, arrivals: int, least: int) -> None:
        """End it the n-th time that it comes to `point` with at least so many hand-overs open."""
        self._journal = journal
        self._point = point
        self._left = arrivals
        self._least = least
        self._open = 0

    def install(self) -> None:
        """Wrap the methods of the sender in this process."""
        for owner, name, wrapped in (
            (Worker, "claimed", self._claimed),
            (Store, "exchange", self._exchange),
            (Composer, "write", self._write),
            (Egress, "hand_over", self._hand_over),
            (Attempt, "begin", self._begin),
            (Channel, "ask", self._ask),
            (Connection, "_answered", self._answered),
        ):
            setattr(owner, name, wrapped(getattr(owner, name)))

    def write(self, subject: str) -> None:
        """Come to the writing of a mail."""
        if subject == POISON:
            self._end(POISON)
        self._reach(Point.COMPOSE, within=LONGEST)

    def _reach(self, point: Point, within: float = 0.0) -> None:
        if point is not self._point or self._open < self._least:
            return
        self._left -= 1
        if self._left == 0 and within:
            delay = random.uniform(0, within)  # noqa: S311 - no secret
            asyncio.get_running_loop().call_later(delay, self._end, point)
        elif self._left == 0:
            self._end(point)

    def _end(self, point: str) -> None:
        """End this process at once, as by a power cut."""
        self._journal.add(Step.POINT, point)
        os.kill(os.getpid(), signal.SIGKILL)

    def _claimed(self, original: Method) -> Method:
        def claimed(worker: Worker, claims: Any, found: Any, ending: int) -> None:
            if found:
                self._reach(Point.CLAIM)
            original(worker, claims, found, ending)

        return claimed

    def _exchange(self, original: Method) -> Method:
        async def exchange(store: Store, session: Any, results: Any, *others: Any) -> Any:
            if any(one.outcome.state is State.DONE for one in results):
                self._reach(Point.COMMIT, within=LONGEST)
            began = time.monotonic()
            done = await original(store, session, results, *others)
            for result in results:
                if result.job.id.int in done.finished:
                    self._journal.add(Step.WRITTEN, result.job.id.hex)
            if done.claimed:
                now = time.monotonic()
                self._journal.add(Step.CLAIM, f"{now:.3f}", f"{now - began:.6f}")
            return done

        return exchange

    def _write(self, original: Method) -> Method:
        async def write(composer: Composer, message: Any, **others: Any) -> Any:
            self.write(message.subject)
            return await original(composer, message, **others)

        return write

    def _hand_over(self, original: Method) -> Method:
        async def hand_over(egress: Egress, *others: Any) -> Any:
            self._open += 1
            self._journal.add(Step.OPENED)
            try:
                return await original(egress, *others)
            finally:
                self._open -= 1
                self._journal.add(Step.CLOSED)

        return hand_over

    def _begin(self, original: Method) -> Method:
        async def begin(attempt: Attempt, *others: Any, **named: Any) -> None:
            self._reach(Point.BEFORE_INTENT)
            self._journal.add(Step.BEGINS, attempt.job.id.hex)
            await original(attempt, *others, **named)
            self._reach(Point.BEFORE_LAST_BYTES)

        return begin

    def _ask(self, original: Method) -> Method:
        def ask(channel: Channel, *others: Any, **named: Any) -> Any:
            answer = original(
                channel, *others, **named
            )  # the bytes are the kernel's when it returns
            if named.get("is_answer"):
                self._reach(Point.AFTER_LAST_BYTES)
            return answer

        return ask

    def _answered(self, original: Method) -> Method:
        def answered(connection: Connection, replies: Any) -> Any:
            if replies and replies[0].code == ACCEPTED:
                self._reach(Point.ANSWERED)
            return original(connection, replies)

        return answered
