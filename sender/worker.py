"""Takes one job at a time from Redis to its outcome; every step is checked in PostgreSQL first.

`handing_over` is committed before the SMTP dialogue begins, with the connection already open: a
crash leaves the outcome unknown only during the dialogue itself.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, repeat
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from kit.faults import Fault
from sender import directory, policy
from sender.clock import Clock
from sender.composer import Composer, Opener
from sender.delivery import Outcome, Pool, Result, Session, Unreachable
from sender.jobs import Job, Jobs
from sender.lists import Element, Lists
from sender.schemas import OutgoingMessage, State
from sender.suppression import recipient_hash
from sender.tokens import Tokens
from vault import VaultError

FIRST_DELAY = 2.0
LONGEST_DELAY = 900.0
JITTER = 0.25
AWAY = (OperationalError, InterfaceError, PoolTimeout, RedisError, OSError)
"""A server is not there, or gave up: waiting helps."""
log = structlog.get_logger(__name__)


@dataclass
class Worker:
    """Everything that a lane needs; lanes of one process share it."""

    engine: AsyncEngine
    jobs: Jobs
    lists: Lists
    pool: Pool
    vault: Opener
    composer: Composer
    tokens: Tokens
    public_url: str
    clock: Clock
    answer_timeout: float
    max_attempts: int
    _in_hand: list[UUID] = field(default_factory=list)
    """A job may stand here twice: once for the lane that will find it settled."""

    async def work_once(self, wait: float) -> bool:
        """Take one element and carry it as far as it goes; False when none came in `wait`."""
        raw = await self.lists.take(wait)
        if raw is None:
            return False
        try:
            element = Element.parse(raw)
        except ValueError:
            log.warning("sender.foreign_element", element=raw[:100])
            await self.lists.done(raw)
            return True
        self._in_hand.append(element.job_id)
        try:
            await self._handle(element)
        finally:
            self._in_hand.remove(element.job_id)
            await self.lists.done(raw)
        return True

    async def keep_leases(self) -> None:
        """Tell everybody that this worker lives, and with it what it has in hand."""
        await self.jobs.extend(self._in_hand)  # first: it does not need Redis
        await self.lists.say_alive()

    async def _handle(self, element: Element) -> None:
        job = await self.jobs.take(element)
        if job is None:
            return  # settled by another worker, or claimed again under another token
        try:
            await self._carry(job)
        except AWAY:
            raise  # the lease brings it back
        except Exception:  # one message must not go round for ever without a reason
            log.exception("sender.failed", job=str(job.id))
            words = "internal error of the sender; its log holds the traceback"
            await self._retry_later(job, "internal_error", words)

    async def _carry(self, job: Job) -> None:
        decision = await self._decide(job)
        if decision.route is not None:
            await self._send(job, decision.reason, decision.route)
        elif decision.verdict is policy.Verdict.LATER:
            await self.jobs.put_back(
                job, State.HELD, decision.reason, decision.message, run_at=decision.until
            )
        else:
            await self.jobs.put_back(job, State.CANCELLED, decision.reason, decision.message)

    async def _decide(self, job: Job) -> policy.Decision:
        now = self.clock.now()
        async with self.engine.connect() as connection:
            snapshot = await directory.load(
                connection,
                tenant_id=job.tenant_id,
                sender=job.message.from_address,
                recipient=job.message.to,
                now=now,
            )
        waited = now - job.due_since
        return policy.decide(
            snapshot, job.message, generation=job.generation, now=now, waited=waited
        )

    async def _send(self, job: Job, reason: str, route: policy.Route) -> None:
        address = route.address
        if not self.public_url.startswith("https://"):
            await self.jobs.put_back(
                job,
                State.HELD,
                "unsubscribe_not_https",
                f"{self.public_url} is no https address: set PENGUIN_MAIL__PUBLIC_URL to where "
                "receivers reach /u/",
                run_at=self.clock.now() + policy.LOOK_AGAIN,
            )
            return
        try:
            mail = await self._write(job, await self.jobs.complete(job), route)
            password = self._password(job, address)
        except VaultError as fault:
            await self._retry_later(job, fault.code.name, fault.message, address.name)
            return
        except Fault as fault:  # what cannot be written never can
            await self.jobs.put_back(job, State.CANCELLED, fault.code.name, fault.message)
            return
        try:
            session = await self.pool.get(address, password)
        except Unreachable as error:
            words = f"{address.name}: {error.reply}"
            await self._retry_later(job, error.reason, words, address.name)
            return
        try:
            await self._hand_over(job, reason, route, session, mail)
        except BaseException:
            session.client.close()  # how far its dialogue went is unknown
            raise

    async def _hand_over(
        self, job: Job, reason: str, route: policy.Route, session: Session, mail: bytes
    ) -> None:
        return_path = self.tokens.return_path(job.id, route.address.ip, route.domain.return_path)
        try:
            attempt = await self.jobs.begin(job, reason, route, return_path)
        except AWAY:
            # Whether that was committed is unknown; that nothing was sent is known.
            attempt = job.attempts + 1
            words = "the database did not answer, nothing was sent"
            outcome = Outcome(Result.REFUSED, "database_lost", words)
        else:
            if attempt is None:
                self.pool.put(session)
                return
            outcome = await session.hand_over(
                mail,
                sender=return_path,
                recipient=job.message.to,
                answer_timeout=self.answer_timeout,
            )
        self.pool.put(session)
        await self._finish(job, attempt, route.address, outcome)

    async def _write(self, job: Job, message: OutgoingMessage, route: policy.Route) -> bytes:
        token = self.tokens.unsubscribe(job.tenant_id, recipient_hash(job.message.to))
        return await self.composer.write(
            message,
            tenant_id=job.tenant_id,
            domain=route.domain,
            footer=route.footer,
            message_id=job.message_id,
            unsubscribe_url=f"{self.public_url.rstrip('/')}/u/{token}",
            now=self.clock.now(),
        )

    def _password(self, job: Job, address: directory.SendingAddress) -> str:
        context = directory.password_context(job.tenant_id, address.name)
        return self.vault.open(address.sealed_password, context=context).decode()

    async def _finish(
        self, job: Job, attempt: int, address: directory.SendingAddress, outcome: Outcome
    ) -> None:
        """Write the outcome; a database that is away is waited for, since only we know."""
        state, run_at = self._next_state(attempt, outcome)
        known = {"job": str(job.id), "result": outcome.result.value, "queue_id": outcome.queue_id}
        try:
            for wait in chain((0.1, 0.2, 0.5, 1.0, 2.0), repeat(5.0)):
                try:
                    await self.jobs.finish(job, attempt, address, outcome, state, run_at)
                except AWAY as error:
                    log.warning("sender.outcome_not_written", **known, error=str(error))
                    await self.clock.sleep(wait)
                else:
                    return
        except asyncio.CancelledError:  # stopped: what we know is left for people
            log.error("sender.outcome_lost", **known)  # noqa: TRY400 - where says nothing here
            raise

    def _next_state(self, attempt: int, outcome: Outcome) -> tuple[State, datetime | None]:
        """Return the state after an outcome and, for `deferred`, when it is tried again."""
        settled = {
            Result.ACCEPTED: State.ACCEPTED,
            Result.CONTENT: State.BOUNCED_CONTENT,
            Result.UNKNOWN: State.UNKNOWN,
        }
        if outcome.result in settled:
            return settled[outcome.result], None
        if attempt >= self.max_attempts:
            return State.BOUNCED_INFRASTRUCTURE, None
        return State.DEFERRED, self.clock.now() + backoff(attempt)

    async def _retry_later(
        self, job: Job, reason: str, words: str, address: str | None = None
    ) -> None:
        """Defer after a failure before the hand-over, or give up after too many."""
        attempt = job.attempts + 1
        if attempt >= self.max_attempts:
            await self.jobs.put_back(job, State.BOUNCED_INFRASTRUCTURE, reason, words, attempts=1)
            return
        run_at = self.clock.now() + backoff(attempt)
        await self.jobs.put_back(
            job, State.DEFERRED, reason, words, run_at=run_at, attempts=1, address=address
        )


def backoff(attempt: int) -> timedelta:
    """Return the wait before the next attempt: doubling, bounded, a quarter of jitter each way."""
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (min(attempt, 30) - 1))
    return timedelta(seconds=delay * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret
