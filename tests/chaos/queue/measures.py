"""What others, old transactions and outages cost the senders, without any kills."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import quantiles
from uuid import UUID

from kit.database import Role
from sender import stops
from sender.queue import operations
from sender.schemas import StopScope
from tests.chaos.queue.disturbances import LOCK_ROWS, OUTAGE, Play, dark
from tests.chaos.queue.journal import Account
from tests.chaos.queue.offering import BATCH
from tests.chaos.queue.scene import MAILBOXES, Scene, Tenant
from tests.support.waiting import reached

BASE = 30.0
"""Seconds over which claims, and the mail of the other hosts, are measured."""
LONG_OUTAGE = 90.0
TEN = 10
BETWEEN = 0.3
HELD, URGENT = 200_000, 50_000
LARGE_BATCH = 1_000
LONGEST = 120.0
DELAYS = """
select id, extract(epoch from changed_at - due_at)::float8 from queue.records
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


Measures = Callable[[Play], AsyncIterator[Measure]]


async def of_outages(play: Play) -> AsyncIterator[Measure]:
    """Measure how long outages of the database last for the mail."""
    for seconds in (OUTAGE, LONG_OUTAGE):
        yield await _outage(play, seconds)


def of_transactions(minutes: float) -> Measures:
    """Return what measures claims beside old transactions that are open for so long."""

    async def measure(play: Play) -> AsyncIterator[Measure]:
        yield await _old_transactions(play, 60 * minutes)

    return measure


async def of_dark_hosts(play: Play) -> AsyncIterator[Measure]:
    """Measure what a quarter of the hosts, which is dark, costs the mail through the others."""
    scene = play.scene

    async def others(but: set[str]) -> float:
        since = len(scene.offered)
        await asyncio.sleep(BASE)
        ids = [id_ for id_ in list(scene.offered.values())[since:] if scene.ips[id_] not in but]
        found = await _delays(scene, ids)
        return quantiles(found.values(), n=20)[-1]

    async with _load(play):
        usual = await others(set())
        async with dark(play) as hosts:
            beside = await others(hosts)
    name = (
        f"p95 of mails beside {len(hosts)} of {len(scene.hosts):,} dark hosts ({beside:.2f} s)"
        f" by without ({usual:.2f} s)"
    )
    yield Measure(name, _ratio(beside, usual), "x", 2.0)


def _ratio(beside: float, usual: float) -> float:
    """Compare times; where mails are too late without any trouble, they show nothing."""
    return beside / usual if usual < LONGEST else math.inf


async def _outage(play: Play, seconds: float) -> Measure:
    """Stop the database under load: how long is it until the next mail is received?"""
    async with _load(play):
        await asyncio.to_thread(play.scene.postgres.stop)
        await asyncio.sleep(seconds)
        before = len(play.scene.received())
        await asyncio.to_thread(play.scene.postgres.start)
        began = time.monotonic()

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
    name = (
        f"claim p99 after {seconds / 60:g} min of old transactions"
        f" ({1000 * usual:.0f} ms, {1000 * late:.0f} ms at {play.scene.rate():.0f}/s)"
    )
    return Measure(name, late / usual, "x", 3.0)


async def _claims_p99(play: Play, seconds: float) -> float:
    began = time.monotonic()
    await asyncio.sleep(seconds)
    accounts = [Account.read(seat.journals[-1]) for seat in play.seats]
    found = [took for one in accounts for ended, took in one.claims if ended >= began]
    return quantiles(found, n=100)[-1]


async def of_neighbours(play: Play) -> AsyncIterator[Measure]:
    """Measure the ten mails of a tenant beside the many of another."""
    loud, quiet, *_ = play.scene.tenants
    ids: list[UUID] = []

    async def put(count: int, mailbox: str, priority: int | None = None) -> None:
        for _ in range(count // LARGE_BATCH):
            ids.extend(await play.offer.put(LARGE_BATCH, None, loud, mailbox, priority))

    await _ten(play, quiet)  # connects, and opens keys
    alone = await _ten(play, quiet)
    async with _stopped(play.scene, loud, MAILBOXES[0]):
        await put(HELD, MAILBOXES[0])
        beside = await _ten(play, quiet)
        name = f"ten mails beside 200,000 held ones, p95 ({beside:.2f} s) by alone ({alone:.2f} s)"
        yield Measure(name, _ratio(beside, alone), "x", 2.0)
        await put(URGENT, MAILBOXES[1], priority=1)
        beside = await _ten(play, quiet)
        left = await _waiting(play.scene, ids)
        name = f"ten mails beside 50,000 urgent ones, {left - HELD:,} of which wait, p95"
        yield Measure(name, beside, "s", 1.0)
        await _give_up(play.scene, ids)


async def _ten(play: Play, tenant: Tenant) -> float:
    """Return the p95 of the time from due to done of ten mails, one after the other."""
    ids: list[UUID] = []
    for _ in range(TEN):
        ids += await play.offer.put(1, tenant=tenant)
        await asyncio.sleep(BETWEEN)
    return quantiles((await _delays(play.scene, ids)).values(), n=20, method="inclusive")[-1]


async def _delays(scene: Scene, ids: Sequence[UUID]) -> Mapping[UUID, float]:
    """Return the time from due to done of each mail; those that take too long count as such."""
    found: dict[UUID, float] = {}

    async def are_done() -> bool:
        async with scene.admin() as connection:
            rows = await connection.execute(DELAYS, (list(ids),))
            found.update(await rows.fetchall())
        return len(found) == len(ids)

    with suppress(TimeoutError):
        await reached(are_done, seconds=LONGEST)
    return dict.fromkeys(ids, LONGEST) | found


async def _waiting(scene: Scene, ids: Sequence[UUID]) -> int:
    query = "select count(*) from queue.records where id = any(%s) and state = 'queued'"
    async with scene.admin() as connection:
        row = await (await connection.execute(query, (list(ids),))).fetchone()
    return int(row[0]) if row else 0


@asynccontextmanager
async def _stopped(scene: Scene, tenant: Tenant, mailbox: str) -> AsyncIterator[None]:
    """Stop a mailbox as a person does."""
    name = f"{mailbox}@{tenant.domain(0)}"
    target = stops.Target(StopScope.MAILBOX, tenant.id, name)
    now = datetime.now(UTC)
    engine = scene.engine(Role.OPERATOR)
    async with engine.begin() as connection:
        await stops.stop(
            connection, target, reason="chaos", actor="chaos", by_operator=True, now=now
        )
    yield
    async with engine.begin() as connection:
        await stops.start(connection, target)
    await engine.dispose()


async def _give_up(scene: Scene, ids: list[UUID]) -> None:
    """Cancel what has not been handed over: the rest need not be waited for."""
    scene.withdrawn.update(ids)
    async with scene.admin() as connection:
        for start in range(0, len(ids), LARGE_BATCH):
            batch = ids[start : start + LARGE_BATCH]
            await operations.cancel(connection, batch, "chaos")


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
