"""Mail that is offered at a rate, whatever happens to the servers."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from kit.database import Role
from sender import outbox
from sender.queue import NewJob, enqueue
from sender.schemas import OutgoingMessage
from tests.chaos.queue.program import Kind
from tests.chaos.queue.scene import AWAY, MAILBOXES, TENANTS, Scene, Tenant

BATCH = 25
"""Mails of one transaction."""
PRIORITIES = (20, 100, 100, 100, 500)
SIZES = (100, 2_000)
"""Octets of a text, at least and at most."""
PAUSE = 0.1


@dataclass(frozen=True)
class Mail:
    """One to enqueue."""

    number: int
    subject: str
    mailbox: str
    priority: int
    content: str

    def job(self, tenant: Tenant) -> NewJob:
        """Return it as the job of the queue's worker alone."""
        words = f"{tenant.ip} {self.subject.replace(' ', '_')} {self.content}"
        key = str(self.number)
        return NewJob(self.mailbox, words.encode(), priority=self.priority, key=key)

    def message(self, tenant: Tenant) -> OutgoingMessage:
        """Return it as a message to the whole sender."""
        fields = {
            "from": f"{self.mailbox}@{tenant.domain}",
            "to": "bob@rcpt.example",
            "subject": self.subject,
            "text": self.content,
            "html": f"<p>{self.content}</p>",
            "priority": self.priority,
        }
        return OutgoingMessage.model_validate(fields)


class Offer:
    """Enqueues mail, each with a key, so that a lost answer does no harm."""

    def __init__(self, scene: Scene, rate: float, most_waiting: int) -> None:
        """Enqueue nothing yet; `rate` is mails a second, less while `most_waiting` wait."""
        self._scene = scene
        self._rate = rate
        self._most_waiting = most_waiting
        self._numbers = itertools.count(1)
        self._engine: AsyncEngine = scene.engine(Role.API)

    async def run(self, enough: asyncio.Event) -> None:
        """Enqueue until it is enough."""
        began = time.monotonic()
        sent = 0
        while not enough.is_set():
            await self.put(BATCH)
            sent += BATCH
            await asyncio.sleep(max(0.0, began + sent / self._rate - time.monotonic()))
            while await self._waiting() > self._most_waiting and not enough.is_set():
                await asyncio.sleep(PAUSE)
                began = max(began, time.monotonic() - sent / self._rate)
        self._scene.offering += time.monotonic() - began

    async def put(
        self,
        count: int,
        subject: str | None = None,
        tenant: Tenant | None = None,
        mailbox: str | None = None,
        priority: int | None = None,
    ) -> list[UUID]:
        """Enqueue mails of one tenant, again and again until that is committed."""
        numbers = list(itertools.islice(self._numbers, count))
        tenant = tenant or self._scene.chance.choice(TENANTS)
        mails = [self._mail(number, subject, mailbox, priority) for number in numbers]
        while True:
            try:
                ids = await self._enqueued(tenant, mails)
                break
            except (*AWAY, SQLAlchemyError):
                await asyncio.sleep(PAUSE)
        if subject is None:
            self._scene.offered.update(zip(numbers, ids, strict=True))
        return ids

    def _mail(
        self, number: int, subject: str | None, mailbox: str | None, priority: int | None
    ) -> Mail:
        chance = self._scene.chance
        return Mail(
            number,
            subject or f"mail {number}",
            mailbox or chance.choice(MAILBOXES),
            priority or chance.choice(PRIORITIES),
            "x " * (chance.randint(*SIZES) // 2),
        )

    async def _enqueued(self, tenant: Tenant, mails: list[Mail]) -> list[UUID]:
        if Kind.SENDER not in self._scene.kinds:
            async with await psycopg.AsyncConnection.connect(self._scene.dsn) as connection:
                jobs = [mail.job(tenant) for mail in mails]
                return [one.id for one in await enqueue(connection, tenant.id, jobs)]
        async with self._engine.begin() as transaction:
            query = text("select set_config('app.current_tenant_id', :tenant, true)")
            await transaction.execute(query, {"tenant": str(tenant.id)})
            return await outbox.enqueue_all(
                transaction,
                tenant_id=tenant.id,
                messages=[mail.message(tenant) for mail in mails],
                idempotency_key=str(mails[0].number),
            )

    async def _waiting(self) -> int:
        try:
            async with self._scene.admin() as connection:
                rows = await connection.execute("select count(*) from queue.ready")
                row = await rows.fetchone()
        except AWAY:
            return 0
        return int(row[0]) if row else 0
