"""Takes one job at a time from Redis to its outcome; every step is checked in PostgreSQL first.

`handing_over` is committed before the SMTP dialogue begins, with the connection already open, so
that the moment in which a crash leaves nobody knowing is as short as the dialogue itself.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain, repeat
from typing import Any, Protocol
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sender import directory, policy
from sender.clock import Clock
from sender.compose import compose
from sender.delivery import Outcome, Pool, Result, Session, Unreachable
from sender.dkim import Signer
from sender.errors import ComposeRefused
from sender.lists import Element, Lists
from sender.queue import LIFETIME
from sender.schemas import OutgoingMessage, State
from sender.statements import statement
from sender.suppression import recipient_hash
from sender.tokens import Tokens
from sender.trail import Step, record
from vault import VaultError

FIRST_DELAY = 2.0
LONGEST_DELAY = 900.0
JITTER = 0.25
SIGNERS_KEPT = 1000
AWAY = (OperationalError, InterfaceError, PoolTimeout, RedisError, OSError)
"""A server is not there, or gave up: waiting helps."""
log = structlog.get_logger(__name__)


class Opener(Protocol):
    """The vault's half that the sender needs."""

    def open(self, sealed: str, *, context: str) -> bytes:
        """Return the clear text, or raise when context or key do not fit."""


@dataclass(frozen=True)
class Job:
    """One claimed message."""

    id: UUID
    tenant_id: UUID
    token: int
    attempts: int
    due_since: datetime
    """When it could first have gone."""
    message_id: str
    body: Mapping[str, Any]
    reason: str | None
    """Why it waited the last time."""

    @cached_property
    def message(self) -> OutgoingMessage:
        """The message; raises ValidationError for one that is none (any more)."""
        return OutgoingMessage.model_validate(self.body)


@dataclass
class Worker:
    """Everything that a lane needs; lanes of one process share it."""

    name: str
    engine: AsyncEngine
    lists: Lists
    pool: Pool
    vault: Opener
    tokens: Tokens
    public_url: str
    clock: Clock
    lease: timedelta
    answer_timeout: float
    max_attempts: int
    _in_hand: list[UUID] = field(default_factory=list)
    """A job may stand here twice: once for the lane that will find it settled."""
    _signers: dict[tuple[str, str, str], Signer] = field(default_factory=dict)

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
        async with self.engine.begin() as connection:  # first: it does not need Redis
            await connection.execute(
                statement("extend_leases"),
                {
                    "ids": list(self._in_hand),
                    "owner": self.name,
                    "until": self.clock.now() + self.lease,
                },
            )
        await self.lists.say_alive()

    async def _handle(self, element: Element) -> None:
        job = await self._load(element)
        if job is None:
            return  # settled by somebody else, or claimed anew under another token
        try:
            await self._carry(job)
        except AWAY:
            raise  # the lease brings it back
        except Exception as error:  # one message must not go round for ever without a reason
            log.exception("sender.failed", job=str(job.id))
            words = f"the sender failed ({type(error).__name__}); its log says where"
            await self._retry_later(job, "internal_error", words)

    async def _carry(self, job: Job) -> None:
        decision = await self._decide(job)
        if decision.route is not None:
            await self._send(job, decision.reason, decision.route)
        elif decision.verdict is policy.Verdict.LATER:
            await self._put_back(
                job, State.HELD, decision.reason, decision.message, run_at=decision.until
            )
        else:
            await self._put_back(job, State.CANCELLED, decision.reason, decision.message)

    async def _load(self, element: Element) -> Job | None:
        async with self.engine.begin() as connection:
            found = await connection.execute(
                statement("take"),
                {
                    "id": element.job_id,
                    "token": element.token,
                    "owner": self.name,
                    "until": self.clock.now() + self.lease,
                },
            )
            row = found.first()
        if row is None:
            return None
        return Job(
            id=row.id,
            tenant_id=row.tenant_id,
            token=element.token,
            attempts=row.attempt_count,
            due_since=row.expires_at - LIFETIME,
            message_id=row.message_id,
            body=row.body,
            reason=row.reason,
        )

    async def _decide(self, job: Job) -> policy.Decision:
        now = self.clock.now()
        async with self.engine.connect() as connection:
            snapshot = await directory.load(
                connection,
                tenant_id=job.tenant_id,
                mailbox=job.message.from_address,
                recipient=job.message.to,
                now=now,
            )
        waited = now - job.due_since
        return policy.decide(snapshot, job.message, tenant_id=job.tenant_id, now=now, waited=waited)

    async def _send(self, job: Job, reason: str, route: policy.Route) -> None:
        address = route.address
        if not self.public_url.startswith("https://"):
            await self._put_back(
                job,
                State.HELD,
                "unsubscribe_not_https",
                f"{self.public_url} is no https address: set PENGUIN_MAIL__PUBLIC_URL to where "
                "receivers reach /u/",
                run_at=self.clock.now() + policy.LOOK_AGAIN,
            )
            return
        try:
            mail = self._write(job, route)
            password = self._password(job, address)
        except ComposeRefused as error:
            await self._put_back(job, State.CANCELLED, error.code, str(error))
            return
        except VaultError as error:
            await self._retry_later(job, error.code, str(error), address.name)
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
            session.client.close()  # nobody knows how far its dialogue went
            raise

    async def _hand_over(
        self, job: Job, reason: str, route: policy.Route, session: Session, mail: bytes
    ) -> None:
        return_path = self.tokens.return_path(job.id, route.address.ip, route.domain.return_path)
        try:
            attempt = await self._begin(job, reason, route, return_path)
        except AWAY as error:
            # Whether that was committed nobody knows; that nothing was said to the host we do.
            attempt, words = job.attempts + 1, f"{type(error).__name__}: nothing was handed over"
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

    def _write(self, job: Job, route: policy.Route) -> bytes:
        now = self.clock.now()
        token = self.tokens.unsubscribe(job.tenant_id, recipient_hash(job.message.to))
        mail = compose(
            job.message,
            message_id=job.message_id,
            tenant=route.tenant,
            unsubscribe_url=f"{self.public_url.rstrip('/')}/u/{token}",
            now=now,
        )
        return self._signer(job, route.domain).sign(mail, now)

    def _signer(self, job: Job, domain: directory.SendingDomain) -> Signer:
        key = (domain.name, domain.selector, domain.sealed_dkim_key)
        if key not in self._signers:
            context = directory.dkim_context(job.tenant_id, domain.name)
            pem = self.vault.open(domain.sealed_dkim_key, context=context)
            if len(self._signers) >= SIGNERS_KEPT:
                del self._signers[next(iter(self._signers))]
            self._signers[key] = Signer.from_pem(domain.name, domain.selector, pem)
        return self._signers[key]

    def _password(self, job: Job, address: directory.SendingAddress) -> str:
        context = directory.password_context(job.tenant_id, address.name)
        return self.vault.open(address.sealed_password, context=context).decode()

    async def _begin(
        self, job: Job, reason: str, route: policy.Route, return_path: str
    ) -> int | None:
        """Commit `handing_over` and count it; None when the job or the cap is gone by now."""
        now = self.clock.now()
        address = route.address
        async with self.engine.connect() as connection:
            claimed = await connection.execute(
                statement("begin_hand_over"),
                {
                    "id": job.id,
                    "token": job.token,
                    "address": address.name,
                    "owner": self.name,
                    "until": now + self.lease,
                    "now": now,
                },
            )
            row = claimed.first()
            if row is None:
                return None
            counted = await self._count(connection, job, route, now)
            if counted:
                if route.settles_home:
                    await self._settle_home(connection, job, route, now)
                details = {
                    "address": address.name,
                    "ip": address.ip,
                    "helo": address.helo,
                    "attempt": row.attempt_count,
                    "return_path": return_path,
                }
                words = f"handed to {address.name} ({address.ip})"
                step = Step(
                    job.id,
                    job.tenant_id,
                    now,
                    "handing_over",
                    State.HANDING_OVER,
                    words,
                    reason,
                    details,
                )
                await record(connection, [step])
                await connection.commit()
                return int(row.attempt_count)
        # Rolled back, and the connection given back: another one is needed now.
        await self._put_back(
            job,
            State.HELD,
            "cap_race",
            "another message took the last place of today; looked at again",
            run_at=now + policy.LOOK_AGAIN,
        )
        return None

    async def _settle_home(
        self, connection: AsyncConnection, job: Job, route: policy.Route, now: datetime
    ) -> None:
        await connection.execute(
            statement("settle_home"),
            {
                "tenant_id": job.tenant_id,
                "domain": route.domain.name,
                "address": route.address.name,
                "known": list(route.known),
                "now": now,
            },
        )

    async def _count(
        self, connection: AsyncConnection, job: Job, route: policy.Route, now: datetime
    ) -> bool:
        """Count the hand-over against today's caps; False when one is used up by now."""
        mailbox = directory.mailbox_subject(job.tenant_id, job.message.from_address)
        counters = (
            ("address", route.address.ip, route.address_cap),
            ("mailbox", mailbox, route.mailbox_cap),
        )
        for kind, subject, cap in counters:
            counted = await connection.execute(
                statement("count_hand_over"),
                {"kind": kind, "subject": subject, "day": now.date(), "cap": cap},
            )
            if counted.first() is None:
                return False
        return True

    async def _finish(
        self, job: Job, attempt: int, address: directory.SendingAddress, outcome: Outcome
    ) -> None:
        """Write the outcome; a database that is away is waited for, since only we know."""
        known = {"job": str(job.id), "result": outcome.result.value, "queue_id": outcome.queue_id}
        try:
            for wait in chain((0.1, 0.2, 0.5, 1.0, 2.0), repeat(5.0)):
                try:
                    await self._write_outcome(job, attempt, address, outcome)
                except AWAY as error:
                    log.warning("sender.outcome_not_written", **known, error=str(error))
                    await self.clock.sleep(wait)
                else:
                    return
        except asyncio.CancelledError:  # stopped: what we know is left for people
            log.error("sender.outcome_lost", **known)  # noqa: TRY400 - where says nothing here
            raise

    async def _write_outcome(
        self, job: Job, attempt: int, address: directory.SendingAddress, outcome: Outcome
    ) -> None:
        now = self.clock.now()
        state, run_at = self._next_state(job, attempt, outcome, now)
        finished = None if state is State.DEFERRED else now
        async with self.engine.begin() as connection:
            written = await connection.execute(
                statement("finish_hand_over"),
                {
                    "id": job.id,
                    "token": job.token,
                    "state": state.value,
                    "reason": None if state is State.ACCEPTED else outcome.reason,
                    "run_at": run_at,
                    "queue_id": outcome.queue_id,
                    "finished_at": finished,
                    "now": now,
                },
            )
            if written.first() is None:
                log.warning("sender.outcome_fenced", job=str(job.id), result=outcome.result.value)
                return
            details: dict[str, str | int | None] = {
                "address": address.name,
                "ip": address.ip,
                "helo": address.helo,
                "reply": outcome.reply,
                "queue_id": outcome.queue_id,
                "attempt": attempt,
                "until": run_at.isoformat() if run_at else None,
            }
            words = {
                Result.ACCEPTED: f"accepted by {address.helo}",
                Result.REFUSED: f"not taken by {address.helo}",
                Result.CONTENT: f"{address.helo} will never take this mail",
                Result.UNKNOWN: "the answer after the mail was lost; it is not repeated on a guess",
            }[outcome.result]
            step = Step(
                job.id, job.tenant_id, now, "outcome", state, words, outcome.reason, details
            )
            await record(connection, [step])

    def _next_state(
        self, job: Job, attempt: int, outcome: Outcome, now: datetime
    ) -> tuple[State, datetime | None]:
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
        return State.DEFERRED, now + backoff(attempt)

    async def _retry_later(
        self, job: Job, reason: str, words: str, address: str | None = None
    ) -> None:
        """Defer after a failure before the hand-over, or give up after too many."""
        attempt = job.attempts + 1
        if attempt >= self.max_attempts:
            await self._put_back(job, State.BOUNCED_INFRASTRUCTURE, reason, words, attempts=1)
            return
        run_at = self.clock.now() + backoff(attempt)
        await self._put_back(
            job, State.DEFERRED, reason, words, run_at=run_at, attempts=1, address=address
        )

    async def _put_back(
        self,
        job: Job,
        state: State,
        reason: str,
        words: str,
        *,
        run_at: datetime | None = None,
        attempts: int = 0,
        address: str | None = None,
    ) -> None:
        now = self.clock.now()
        waiting = state in (State.HELD, State.DEFERRED)
        async with self.engine.begin() as connection:
            written = await connection.execute(
                statement("put_back"),
                {
                    "id": job.id,
                    "token": job.token,
                    "state": state.value,
                    "reason": reason,
                    "run_at": run_at,
                    "attempts": attempts,
                    "address": address,
                    "finished_at": None if waiting else now,
                    "now": now,
                },
            )
            if written.first() is None or (state is State.HELD and reason == job.reason):
                return  # settled elsewhere, or it waits on for what it waited for before
            details: dict[str, str | int | None] = {
                "until": run_at.isoformat() if run_at else None,
                "address": address,
            }
            kind = "decided" if attempts == 0 else "outcome"
            step = Step(job.id, job.tenant_id, now, kind, state, words, reason, details)
            await record(connection, [step])


def backoff(attempt: int) -> timedelta:
    """Return the wait before the next attempt: doubling, bounded, a quarter of jitter each way."""
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (min(attempt, 30) - 1))
    return timedelta(seconds=delay * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret
