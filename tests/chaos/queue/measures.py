"""What others, old transactions and outages cost those who go on, while nobody is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import quantiles
from uuid import UUID

from sender.queue import operations
from tests.chaos.queue.disturbances import LOCK_ROWS, LONG_OUTAGE, OUTAGE, Play
from tests.chaos.queue.journal import Account
from tests.chaos.queue.offering import BATCH
from tests.chaos.queue.scene import MAILBOXES, TENANTS, Scene
from tests.support.waiting import reached

BASE = 30.0
"""Seconds over which claims are measured."""
TEN = 10
BETWEEN = 0.3
LOUD, QUIET = TENANTS[0], TENANTS[1]
HELD, URGENT = 200_000, 50_000
LARGE_BATCH = 5_000
LONGEST = 120.0
DELAYS = """
select extract(epoch from changed_at - due_at)::float8 from queue.records
where id = any(%s) and state = 'done'
"""


@dataclass(frozen=True)
class Measure:
    """One figure."""

    name: str
    value: float
    unit: str
    most: float
    """The goal."""

    @property
    def is_met(self) -> bool:
        """Whether it is within the goal."""
        return self.value <= self.most

    def __str__(self) -> str:
        """Return a line for people."""
        missed = "" if self.is_met else "  MISSED"
        return f"{self.name}: {self.value:.3g} {self.unit} (goal {self.most:g}){missed}"


async def measured(play: Play, minutes: float) -> list[Measure]:
    """Measure everything; old transactions are open for so many minutes."""
    return [
        *[await _outage(play, seconds) for seconds in (OUTAGE, LONG_OUTAGE)],
        await _old_transactions(play, 60 * minutes),
        *await _neighbours(play),
    ]


async def _outage(play: Play, seconds: float) -> Measure:
    """Stop the database under load: how long is it until the next mail is received?"""
    async with _load(play):
        await asyncio.to_thread(play.scene.postgres.stop)
        await asyncio.sleep(seconds)
        before = len(play.scene.received())
        began = time.monotonic()
        await asyncio.to_thread(play.scene.postgres.start)

        async def more() -> bool:
            return len(play.scene.received()) > before + BATCH

        await reached(more, seconds=LONGEST)
        took = time.monotonic() - began
    return Measure(f"mail goes on after {seconds:g} s without database", took, "s", 3.0)


async def _old_transactions(play: Play, seconds: float) -> Measure:
    """Claims beside a reader's transaction, and one that holds rows, by those without."""
    async with _load(play):
        usual = await _claims_p99(play, BASE)
        async with (
            play.scene.admin() as reader,
            play.scene.admin() as holder,
            reader.transaction(),
            holder.transaction(),
        ):
            await reader.execute("set transaction isolation level repeatable read")
            await reader.execute("select count(*) from queue.records")
            await holder.execute(LOCK_ROWS)
            await asyncio.sleep(max(0.0, seconds - BASE))
            late = await _claims_p99(play, BASE)
    name = f"claim p99 after {seconds / 60:g} min of old transactions ({1000 * late:.0f} ms)"
    return Measure(name, late / usual, "x", 3.0)


async def _claims_p99(play: Play, seconds: float) -> float:
    began = time.monotonic()
    await asyncio.sleep(seconds)
    accounts = [Account.read(seat.journals[-1]) for seat in play.seats]
    found = [took for one in accounts for ended, took in one.claims if ended >= began]
    return quantiles(found, n=100)[-1]


async def _neighbours(play: Play) -> list[Measure]:
    """The ten mails of a tenant beside the many of another."""
    scene, offer = play.scene, play.offer
    alone = await _ten(play)
    async with scene.admin() as connection:
        await operations.hold(connection, LOUD.id, [MAILBOXES[0]], None, "chaos")
    ids: list[UUID] = []
    for _ in range(HELD // LARGE_BATCH):
        ids += await offer.put(LARGE_BATCH, tenant=LOUD, mailbox=MAILBOXES[0])
    beside_held = await _ten(play)
    for _ in range(URGENT // LARGE_BATCH):
        ids += await offer.put(LARGE_BATCH, tenant=LOUD, mailbox=MAILBOXES[1], priority=1)
    beside_urgent = await _ten(play)
    await _give_up(scene, ids)
    return [
        Measure("ten mails beside 200,000 held ones, p95 by alone", beside_held / alone, "x", 2.0),
        Measure("ten mails beside 50,000 urgent ones, p95", beside_urgent, "s", 1.0),
    ]


async def _ten(play: Play) -> float:
    """Return the p95 of the time from due to done of ten mails, one after the other."""
    ids: list[UUID] = []
    for _ in range(TEN):
        ids += await play.offer.put(1, tenant=QUIET)
        await asyncio.sleep(BETWEEN)

    async def delays() -> Sequence[float]:
        async with play.scene.admin() as connection:
            rows = await connection.execute(DELAYS, (ids,))
            return [row[0] for row in await rows.fetchall()]

    found = await reached(delays, lambda found: len(found) == TEN, seconds=LONGEST)
    return quantiles(found, n=20, method="inclusive")[-1]


async def _give_up(scene: Scene, ids: list[UUID]) -> None:
    """Cancel what has not been handed over: the rest need not be waited for."""
    async with scene.admin() as connection:
        gone: set[UUID] = set()
        for start in range(0, len(ids), LARGE_BATCH):
            batch = ids[start : start + LARGE_BATCH]
            gone |= await operations.cancel(connection, batch, "chaos")
        await operations.release(connection, LOUD.id, [MAILBOXES[0]])
    scene.offered = {number: id_ for number, id_ in scene.offered.items() if id_ not in gone}
    scene.cancelled |= gone


@asynccontextmanager
async def _load(play: Play) -> AsyncIterator[None]:
    enough = asyncio.Event()
    offering = asyncio.create_task(play.offer.run(enough))
    try:
        yield
        enough.set()
        await offering
    finally:
        offering.cancel()
