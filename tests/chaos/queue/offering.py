"""Mail that is offered at a rate, whatever happens to the servers."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from kit.database import Role
from sender import outbox
from sender.queue import NewJob, enqueue, operations
from sender.schemas import OutgoingMessage
from tests.chaos.queue.program import Kind
from tests.chaos.queue.scene import AWAY, MAILBOXES, Scene, Tenant

BATCH = 50
"""Mails of one transaction."""
PRODUCERS = 3
LOOK = 1.0
"""Seconds between two looks at what waits."""
CANCELLED = 1_000
"""Mails of one transaction."""
PRIORITIES = (20, 100, 100, 100, 500)
SIZES = (100, 2_000)
"""Octets of a text, at least and at most."""
PAUSE = 0.1
SURPLUS = """
select id from queue.ready where losses = 0 and id <> all(%s) order by random() offset %s
"""


@dataclass(frozen=True)
class Mail:
    """One to enqueue."""

    number: int
    subject: str
    mailbox: str
    priority: int
    content: str
    place: int
    """Of the tenant's hosts."""

    def job(self, tenant: Tenant) -> NewJob:
        """Return it as the job of the queue's worker alone."""
        words = f"{tenant.ips[self.place]} {self.subject.replace(' ', '_')} {self.content}"
        key = str(self.number)
        return NewJob(self.mailbox, words.encode(), priority=self.priority, key=key)

    def message(self, tenant: Tenant) -> OutgoingMessage:
        """Return it as a message to the whole sender."""
        fields = {
            "from": f"{self.mailbox}@{tenant.domain(self.place)}",
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
        """Enqueue `rate` mails a second; above `most_waiting`, some that wait are cancelled."""
        self._scene = scene
        self._rate = rate
        self._most_waiting = most_waiting
        self._numbers = itertools.count(1)
        self._engine: AsyncEngine = scene.engine(Role.API)

    async def run(self, enough: asyncio.Event) -> None:
        """Enqueue until it is enough."""
        began = time.monotonic()
        cancelling = asyncio.create_task(self._cancel_surplus())
        try:
            await asyncio.gather(*(self._put_at_rate(enough) for _ in range(PRODUCERS)))
        finally:
            cancelling.cancel()
            self._scene.offering += time.monotonic() - began

    async def _put_at_rate(self, enough: asyncio.Event) -> None:
        due = time.monotonic()
        while not enough.is_set():
            due = max(due + PRODUCERS * BATCH / self._rate, time.monotonic() - LOOK)
            await self.put(BATCH)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _cancel_surplus(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            if await self._waiting() > self._most_waiting:
                await self.cancel(self._most_waiting // 2)

    async def cancel(self, most: int) -> None:
        """Cancel mails that wait as long as more than so many do; their callers may."""
        with suppress(*AWAY):
            async with self._scene.admin() as connection:
                rows = await connection.execute(SURPLUS, (list(self._scene.poison), most))
                ids = [row[0] for row in await rows.fetchall()]
                self._scene.withdrawn.update(ids)
                for start in range(0, len(ids), CANCELLED):
                    batch = ids[start : start + CANCELLED]
                    await operations.cancel(connection, batch, "chaos")

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
        tenant = tenant or self._scene.chance.choice(self._scene.tenants)
        mails = [self._mail(number, tenant, subject, mailbox, priority) for number in numbers]
        while True:
            try:
                ids = await self._enqueued(tenant, mails)
                break
            except (*AWAY, SQLAlchemyError):
                await asyncio.sleep(PAUSE)
        if subject is None:
            self._scene.offered.update(zip(numbers, ids, strict=True))
            hosts = (tenant.ips[mail.place] for mail in mails)
            self._scene.ips.update(zip(ids, hosts, strict=True))
            self._scene.offers.append((time.monotonic(), count))
        return ids

    def _mail(
        self,
        number: int,
        tenant: Tenant,
        subject: str | None,
        mailbox: str | None,
        priority: int | None,
    ) -> Mail:
        chance = self._scene.chance
        return Mail(
            number,
            subject or f"mail {number}",
            mailbox or chance.choice(MAILBOXES),
            priority or chance.choice(PRIORITIES),
            "x " * (chance.randint(*SIZES) // 2),
            chance.randrange(len(tenant.ips)),
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
