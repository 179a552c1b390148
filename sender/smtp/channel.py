"""Commands and their replies over one connection, pipelined (RFC 2920).

A host answers in the order in which it was asked, so a reply belongs to the oldest command without
one. What it says unasked breaks the connection: no reply is ever counted for another mail.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager

from sender.smtp.outcomes import storable
from sender.smtp.replies import Malformed, Reply, ReplyReader

CLOSING = 421
BLOCK = 262_144
"""Octets of a large mail that are given to the transport at once."""
REFUSALS = range(400, 600)
Settle = Callable[[list[Reply]], None]
Codes = Sequence[Container[int]]
"""For each command, the codes of its positive reply."""


class Broken(Exception):
    """The connection is over."""

    def __init__(self, reason: str, words: object) -> None:
        """Keep the stable reason and what happened."""
        super().__init__(storable(words))
        self.reason = reason


class Expected:
    """The replies to commands that were sent together."""

    __slots__ = ("is_answer", "limit", "positive", "replies", "settle")

    def __init__(self, positive: Codes, limit: float, settle: Settle, *, is_answer: bool) -> None:
        """Call `settle` with all of the replies, or with those before the connection broke."""
        self.positive = positive
        self.limit = limit
        self.settle = settle
        self.is_answer = is_answer
        self.replies: list[Reply] = []


class Channel(asyncio.Protocol):
    """Sends at any time, and attributes what comes back."""

    def __init__(self, now: Callable[[], float], when_broken: Callable[[], None]) -> None:
        """Own no transport yet."""
        self._loop = asyncio.get_running_loop()
        self._now = now
        self._when_broken = when_broken
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._expected: deque[Expected] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._writable: asyncio.Future[None] | None = None
        """While the transport takes no more."""
        self._kept: list[bytes] | None = None
        """What is sent together at the end of this turn of the loop; None: at once."""
        self._is_leaving = False
        self.broken: Broken | None = None
        self.since = now()
        """Since when the oldest reply is awaited, or since when none is."""

    def take_over(self, transport: asyncio.Transport) -> None:
        """Become the protocol of a transport that another one has opened."""
        self._transport = transport
        transport.set_protocol(self)

    @property
    def is_quiet(self) -> bool:
        """Whether no reply is awaited."""
        return not self._expected

    @property
    def is_behind(self) -> bool:
        """Whether commands wait behind the answer to a mail."""
        return len(self._expected) > 1 and self._expected[0].is_answer

    def ask(
        self, data: bytes, positive: Codes, limit: float, *, is_answer: bool = False
    ) -> asyncio.Future[list[Reply]]:
        """Send commands; the future has a reply for each, or fewer when the connection broke.

        It need not be awaited. `limit` is how long the host may take once it is their turn. A
        reply that is neither positive nor a refusal breaks the connection, and is the last one.
        """
        future: asyncio.Future[list[Reply]] = self._loop.create_future()

        def settle(replies: list[Reply]) -> None:
            if not future.done():
                future.set_result(replies)

        self.tell(data, positive, limit, settle, is_answer=is_answer)
        return future

    def tell(
        self,
        data: bytes,
        positive: Codes,
        limit: float,
        settle: Settle,
        *,
        is_answer: bool = False,
    ) -> None:
        """Send commands; `settle` gets their replies, before any later reply is looked at."""
        if self._transport is None or self.broken is not None:
            settle([])
            return
        self._expected.append(Expected(positive, limit, settle, is_answer=is_answer))
        if len(self._expected) == 1:
            self._next_turn()
        if self._kept is None:
            self._transport.write(data)
        else:
            self._kept.append(data)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what is written now, and by the tasks that it wakes up, in one segment."""
        if self._kept is None:
            self._kept = []
        try:
            yield
        finally:
            self._loop.call_soon(self._send_kept)  # behind the tasks that were woken up

    async def send(self, data: bytes, limit: float) -> None:
        """Send content, and wait until the transport took it; `limit` is for each block."""
        for start in range(0, len(data), BLOCK):
            if self._transport is None or self.broken is not None:
                return
            self._send_kept()
            self._transport.write(data[start : start + BLOCK])
            if self._writable is not None:
                try:
                    async with asyncio.timeout(limit):
                        await self._writable
                except TimeoutError:
                    self.fail("host_silent", f"it did not read for {limit:g} s")

    def _send_kept(self) -> None:
        kept, self._kept = self._kept, None
        if kept and self._transport is not None and self.broken is None:
            self._transport.write(b"".join(kept))

    def leave(self) -> None:
        """End as soon as no answer to a complete mail is awaited; nothing else is finished."""
        self._is_leaving = True
        if not any(expected.is_answer for expected in self._expected):
            self.fail("connection_lost", "given up by the sender")

    def withdraw(self) -> None:
        """Leave, and tell those who wait behind an answer that they get none."""
        self._is_leaving = True
        for expected in self._expected:
            if not expected.is_answer:
                expected.settle([])
                expected.settle = _ignore
        self.leave()

    def fail(self, reason: str, words: object) -> None:
        """End at once: those who wait get what came until now."""
        if self.broken is not None:
            return
        self.broken = Broken(reason, words)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        self.resume_writing()
        expected, self._expected = self._expected, deque()
        for one in expected:
            one.settle(one.replies)
        when_broken = self._when_broken
        # Without cycles, all of it is freed at once, a buffer of 256 KB among it, not as garbage.
        self._transport, self._when_broken = None, _nothing
        when_broken()

    # What the transport calls

    def data_received(self, data: bytes) -> None:
        """Attribute the replies that are complete."""
        try:
            for reply in self._reader.feed(data):
                self._attribute(reply)
                if self.broken is not None:
                    return
        except Malformed as error:
            self.fail("protocol_violation", error)
            return
        if self._reader.is_inside and not self._expected:
            self.fail("protocol_violation", "bytes that nothing was asked for")

    def eof_received(self) -> None:
        """End; the transport closes itself."""
        self.fail("connection_lost", "closed by the host")

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self.fail("connection_lost", error or "closed by the host")

    def pause_writing(self) -> None:
        """Make `send` wait."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let `send` go on."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # Turns

    def _attribute(self, reply: Reply) -> None:
        if not self._expected:
            reason = "connection_lost" if reply.code == CLOSING else "protocol_violation"
            self.fail(reason, f"nothing was asked, and it answered {reply}")
            return
        first = self._expected[0]
        positive = first.positive[len(first.replies)]
        first.replies.append(reply)
        if reply.code not in positive and reply.code not in REFUSALS:
            self.fail("protocol_violation", f"it answered {reply}")
            return
        if len(first.replies) == len(first.positive):
            self._expected.popleft()
            self._next_turn()
            first.settle(first.replies)
            if self._is_leaving:
                self.leave()
        if reply.code == CLOSING:
            self.fail("connection_lost", reply)

    def _next_turn(self) -> None:
        """Give the oldest commands their time. The timer is moved only when it would be late."""
        self.since = self._now()
        if not self._expected:
            return
        self._deadline = self._loop.time() + self._expected[0].limit
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._expected:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self.fail("host_silent", f"no answer for {self._expected[0].limit:g} s")


def _ignore(_: list[Reply]) -> None:
    """These replies are not awaited any more."""


def _nothing() -> None:
    """Its end has been reported."""
