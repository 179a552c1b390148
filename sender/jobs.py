"""A claimed message in PostgreSQL: every step is written under its token, or not at all.

Each claim raises the message's token, so that what a slow worker writes later changes nothing.
Each step leaves its row in the trail, within the same transaction.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sender import directory, policy
from sender.clock import Clock
from sender.database import SQL
from sender.lists import Element
from sender.outbox import LIFETIME
from sender.schemas import OutgoingMessage, State
from sender.smtp import Outcome, Result
from sender.trail import Step, record

WORDS = {
    Result.ACCEPTED: "accepted by {helo}",
    Result.BUSY: "temporarily refused by {helo}",
    Result.BROKEN: "the hand-over to {helo} broke before the mail was complete",
    Result.REFUSED: "refused by {helo}",
    Result.CONTENT: "rejected by {helo}",
    Result.UNKNOWN: "the connection broke before {helo} confirmed the mail; it is not sent again",
}
"""What the trail says of a hand-over."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Job:
    """One claimed message."""

    id: UUID
    tenant_id: UUID
    generation: int
    """Of the tenant's document that the message was accepted under."""
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
        """The message without the contents of its attachments.

        Raises ValidationError for one that is none (any more).
        """
        return OutgoingMessage.model_validate(self.body)


@dataclass(frozen=True)
class Jobs:
    """The jobs that the worker `owner` takes; each method is one transaction."""

    engine: AsyncEngine
    owner: str
    lease: timedelta
    clock: Clock

    async def take(self, element: Element) -> Job | None:
        """Take a claimed job in hand; None when it is settled, or claimed again."""
        async with self.engine.begin() as connection:
            found = await connection.execute(
                SQL.take,
                {
                    "id": element.job_id,
                    "token": element.token,
                    "owner": self.owner,
                    "until": self.clock.now() + self.lease,
                },
            )
            row = found.first()
        if row is None:
            return None
        return Job(
            id=row.id,
            tenant_id=row.tenant_id,
            generation=row.generation,
            token=element.token,
            attempts=row.attempt_count,
            due_since=row.expires_at - LIFETIME,
            message_id=row.message_id,
            body=row.body,
            reason=row.reason,
        )

    async def complete(self, job: Job) -> OutgoingMessage:
        """Return a job's message with the contents of its attachments."""
        if not job.message.attachments:
            return job.message
        async with self.engine.connect() as connection:
            rows = await connection.execute(SQL.attachments, {"job_id": job.id})
        contents = [base64.b64encode(row.content).decode() for row in rows]
        completed = tuple(
            item.model_copy(update={"content": content})
            for item, content in zip(job.message.attachments, contents, strict=True)
        )
        return job.message.model_copy(update={"attachments": completed})

    async def extend(self, ids: Sequence[UUID]) -> None:
        """Extend the leases of what is in hand."""
        async with self.engine.begin() as connection:
            until = self.clock.now() + self.lease
            await connection.execute(
                SQL.extend_leases,
                {"ids": list(ids), "owner": self.owner, "until": until},
            )

    async def begin(
        self, job: Job, reason: str, route: policy.Route, return_path: str
    ) -> int | None:
        """Commit `handing_over`, count it against the caps, and return the attempt's number.

        None when the job is gone by now, or when another took the last place: then it is held.
        """
        now = self.clock.now()
        address = route.address
        async with self.engine.connect() as connection:
            claimed = await connection.execute(
                SQL.begin_hand_over,
                {
                    "id": job.id,
                    "token": job.token,
                    "address": address.name,
                    "owner": self.owner,
                    "until": now + self.lease,
                    "now": now,
                },
            )
            row = claimed.first()
            if row is None:
                return None
            if await _count(connection, job, route, now):
                if route.settles_home:
                    await _settle_home(connection, job, route, now)
                details = {
                    "address": address.name,
                    "ip": address.ip,
                    "helo": address.helo,
                    "attempt": row.attempt_count,
                    "return_path": return_path,
                }
                words = f"hand-over to {address.name} ({address.ip})"
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
        await self.put_back(
            job,
            State.HELD,
            "cap_race",
            "another message used the rest of today's cap",
            run_at=now + policy.LOOK_AGAIN,
        )
        return None

    async def finish(
        self,
        job: Job,
        attempt: int,
        address: directory.SendingAddress,
        outcome: Outcome,
        state: State,
        run_at: datetime | None,
    ) -> None:
        """Write what came of a hand-over; `run_at` is when it is tried again, None for never."""
        now = self.clock.now()
        async with self.engine.begin() as connection:
            written = await connection.execute(
                SQL.finish_hand_over,
                {
                    "id": job.id,
                    "token": job.token,
                    "state": state.value,
                    "reason": None if state is State.ACCEPTED else outcome.reason,
                    "run_at": run_at,
                    "queue_id": outcome.queue_id,
                    "finished_at": now if run_at is None else None,
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
            words = WORDS[outcome.result].format(helo=address.helo)
            step = Step(
                job.id, job.tenant_id, now, "outcome", state, words, outcome.reason, details
            )
            await record(connection, [step])

    async def put_back(
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
        """Write that a job goes no further for now (`held`, `deferred` until `run_at`) or ever.

        `attempts` is 1 when something was tried, 0 when it was decided.
        """
        now = self.clock.now()
        waiting = state in (State.HELD, State.DEFERRED)
        async with self.engine.begin() as connection:
            written = await connection.execute(
                SQL.put_back,
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


async def _settle_home(
    connection: AsyncConnection, job: Job, route: policy.Route, now: datetime
) -> None:
    await connection.execute(
        SQL.settle_home,
        {
            "tenant_id": job.tenant_id,
            "domain": route.domain.name,
            "address": route.address.name,
            "known": list(route.known),
            "now": now,
        },
    )


async def _count(connection: AsyncConnection, job: Job, route: policy.Route, now: datetime) -> bool:
    """Count the hand-over against today's caps; False when one is used up by now."""
    mailbox = directory.mailbox_subject(job.tenant_id, route.mailbox.address)
    counters = (
        ("address", route.address.ip, route.address_cap),
        ("mailbox", mailbox, route.mailbox.daily_cap),
    )
    for kind, subject, cap in counters:
        counted = await connection.execute(
            SQL.count_hand_over,
            {"kind": kind, "subject": subject, "day": now.date(), "cap": cap},
        )
        if counted.first() is None:
            return False
    return True
