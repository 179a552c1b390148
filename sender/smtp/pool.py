"""The connections to one address, and the mails that wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sender.directory import SendingAddress
from sender.smtp.breaker import Breaker, BreakerState, Rest
from sender.smtp.connection import Connection
from sender.smtp.limits import TRIES, Limits
from sender.smtp.mail import Mail
from sender.smtp.opening import Failed, Opening
from sender.smtp.outcomes import BEFORE_MAIL, Begin, Outcome, Result, Stage

STOPPING = Outcome(Result.BUSY, "stopping", "the sender stops", Stage.WAITING)


@dataclass(frozen=True, slots=True)
class AddressState:
    """What is known of an address, for people and metrics."""

    name: str
    ip: str
    breaker: BreakerState
    reason: str | None
    """What it failed with."""
    limit: int
    """Connections at the same time that it is trusted with."""
    connections: int
    idle: int
    waiting: int
    in_hand: int
    """Mails, also those that wait."""


class AddressPool:
    """Gives each connection one mail after the other, and opens and closes connections."""

    def __init__(
        self, address: SendingAddress, helo: str, limits: Limits, now: Callable[[], float]
    ) -> None:
        """Open nothing yet."""
        self._address = address
        self._helo = helo
        self._limits = limits
        self._now = now
        self._breaker = Breaker(limits)
        self._limit = min(limits.first, limits.connections)
        self._connections: set[Connection] = set()
        self._free: list[Connection] = []
        """Those that no mail belongs to; the answer to the last one may still be awaited."""
        self._openings: dict[asyncio.Task[Connection], float] = {}
        """Since when each is under way."""
        self._waiting: dict[asyncio.Future[Connection | Outcome], float] = {}
        """Mails without a connection, in their order, and since when each waits."""
        self._password = ""
        """The last one that was given."""
        self._in_hand = 0
        self._is_closed = False

    async def hand_over(self, password: str, mail: Mail, begin: Begin) -> Outcome:
        """Hand one mail over; raises what `begin` raises."""
        refusal = self._breaker.enter(self._now())
        if refusal is not None:
            return refusal
        is_probe = self._breaker.trouble is not None
        self._password = password
        self._in_hand += 1
        try:
            outcome = await self._deliver(mail, begin)
            self._learn(outcome)
        finally:
            self._in_hand -= 1
            if is_probe:
                self._breaker.give_up()
        return outcome

    def capacity(self) -> int:
        """Return how many mails it takes at the same time."""
        state = self._breaker.state(self._now())
        if state is BreakerState.CLOSED:
            return min(self._limit * self._limits.batch, self._limits.at_once)
        return int(state in {BreakerState.HALF_OPEN, BreakerState.PROBING})

    def rest(self) -> Rest | None:
        """Return why nothing is tried for now; None: something may be."""
        return self._breaker.rest(self._now())

    def state(self) -> AddressState:
        """Return what is known."""
        trouble = self._breaker.trouble
        return AddressState(
            name=self._address.name,
            ip=self._address.ip,
            breaker=self._breaker.state(self._now()),
            reason=trouble.reason if trouble else None,
            limit=self._limit,
            connections=len(self._connections),
            idle=len(self.idle()),
            waiting=len(self._waiting),
            in_hand=self._in_hand,
        )

    def idle(self) -> list[Connection]:
        """Return the connections without any work."""
        return [connection for connection in self._free if connection.is_quiet]

    def tidy(self) -> None:
        """Close what was idle too long, end long waits, and do without silent connections."""
        now = self._now()
        for connection in self.idle():
            if connection.since <= now - self._limits.keep:
                self.retire(connection)
        words = f"no connection was free for {self._limits.waiting:g} s"
        while self._waiting and next(iter(self._waiting.values())) <= now - self._limits.waiting:
            self._answer_next(Outcome(Result.BUSY, "host_busy", words, Stage.WAITING))
        for connection in list(self._connections):
            if connection.since <= now - self._limits.behind:
                connection.withdraw()
        self._pause_unopened(now)
        self._open_more()

    def retire(self, connection: Connection) -> asyncio.Future[Any]:
        """Say goodbye on an idle connection; return what to wait for."""
        self._free.remove(connection)
        return connection.quit()

    def is_forgettable(self) -> bool:
        """Whether nothing is left to know of it."""
        is_empty = not (self._in_hand or self._connections or self._openings)
        return is_empty and self._breaker.is_forgettable(self._now())

    def say_goodbye(self) -> list[asyncio.Future[Any]]:
        """End what carries no mail, and take no more; return what to wait for."""
        self._is_closed = True
        self._fail_waiting(STOPPING)
        for task in self._openings:
            task.cancel()
        return [*self._openings, *map(self.retire, self.idle())]

    def close(self) -> None:
        """End every connection."""
        for connection in list(self._connections):
            connection.close()

    # Mails

    async def _deliver(self, mail: Mail, begin: Begin) -> Outcome:
        for _ in range(TRIES):
            connection = await self._acquire()
            if isinstance(connection, Outcome):
                return connection
            is_reused = connection.used > 0
            outcome = await connection.hand_over(mail, begin, self._release)
            if not (is_reused and _was_left(outcome)):
                return outcome
            for kept in self.idle():  # for longer than this one was: they may have ended, too
                self.retire(kept)
        return outcome._replace(result=Result.BUSY, stage=Stage.WAITING)

    async def _acquire(self) -> Connection | Outcome:
        if self._is_closed:
            return STOPPING
        connection = self._take_free()
        if connection is not None:
            return connection
        waiter: asyncio.Future[Connection | Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = self._now()
        self._open_more()
        try:
            return await waiter
        except asyncio.CancelledError:
            self._waiting.pop(waiter, None)
            if not waiter.cancelled() and isinstance(given := waiter.result(), Connection):
                self._release(given)
            raise

    def _learn(self, outcome: Outcome) -> None:
        """Slow start and breaker: what this mail says of the address."""
        if outcome.stage in BEFORE_MAIL:
            return  # a connection that cannot be opened is noted once, not for each mail
        if outcome.result is Result.ACCEPTED and self._limit < self._limits.connections:
            self._limit += 1
            self._open_more()
        if outcome.result in {Result.ACCEPTED, Result.CONTENT}:
            self._breaker.succeeded()
            return
        self._limit = max(1, self._limit // 2)
        if self._breaker.refused(outcome, self._now()):
            self._fail_waiting(self._breaker.enter(self._now()) or outcome)

    # Connections

    def _take_free(self) -> Connection | None:
        """Return the best free connection: without work, else one that answers in time."""
        busy = None
        for connection in reversed(self._free):
            if connection.is_quiet:
                self._free.remove(connection)
                return connection
            if busy is None and not self._is_silent(connection):
                busy = connection
        if busy is not None:
            self._free.remove(busy)
        return busy

    def _is_silent(self, connection: Connection) -> bool:
        awaited = self._now() - connection.since
        return not connection.is_quiet and awaited >= self._limits.patience

    def _release(self, connection: Connection) -> None:
        """Give a connection to the next mail."""
        if connection.is_usable and not self._is_closed:
            if not self._answer_next(connection):
                self._free.append(connection)
        else:
            connection.quit()

    def _answer_next(self, answer: Connection | Outcome) -> bool:
        while self._waiting:
            waiter = next(iter(self._waiting))
            del self._waiting[waiter]
            if not waiter.cancelled():
                waiter.set_result(answer)
                return True
        return False

    def _fail_waiting(self, outcome: Outcome) -> None:
        while self._answer_next(outcome):
            pass

    def _open_more(self) -> None:
        """Open connections for the mails that those at work will not take soon."""
        room = self._limit - len(self._connections) - len(self._openings)
        if not self._waiting or room <= 0:
            return
        at_work = sum(
            connection.is_usable and not self._is_silent(connection)
            for connection in self._connections
        )
        at_work += len(self._openings)
        while room > 0 and len(self._waiting) > at_work * self._limits.batch:
            room, at_work = room - 1, at_work + 1
            opening = Opening(self._address, self._password, self._helo, self._limits)
            task = asyncio.create_task(opening.run(self._now, self._lost))
            self._openings[task] = self._now()
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[Connection]) -> None:
        del self._openings[task]
        if task.cancelled():
            return
        failed = task.exception()
        if isinstance(failed, Failed):
            self._not_opened(failed.outcome)
            return
        connection = task.result()
        if connection.is_broken:
            words = "closed by the host after the login"
            self._not_opened(Outcome(Result.BROKEN, "connection_lost", words, Stage.AUTH))
            return
        self._connections.add(connection)
        self._release(connection)

    def _not_opened(self, outcome: Outcome) -> None:
        others = len(self._connections) + len(self._openings)
        self._limit = max(1, others)
        if not others:
            self._breaker.failed(outcome, self._now())
            self._fail_waiting(outcome)

    def _pause_unopened(self, now: float) -> None:
        """Pause the address when its host has accepted no login for a while, however that ends.

        Many hosts that are silent must not hold all mails that a sender may have in hand.
        """
        if self._connections or not (self._openings and self._waiting):
            return
        if max(self._openings.values()) <= now - self._limits.entrance:
            words = f"it accepted no login for {self._limits.entrance:g} s"
            outcome = Outcome(Result.BROKEN, "host_silent", words, Stage.CONNECT)
            self._breaker.failed(outcome, now)
            self._fail_waiting(outcome)

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection in self._free:
            self._free.remove(connection)
        self._open_more()


def _was_left(outcome: Outcome) -> bool:
    """Whether a mail only shared the end of a connection: kept too long, or broken by another."""
    is_over = outcome.result is Result.BROKEN or outcome.reply.startswith("421")
    return is_over and outcome.stage is Stage.MAIL
