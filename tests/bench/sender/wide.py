"""Measures how soon mails leave over 2,000 addresses, each by a host that takes its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg

from kit.waiting import wait_until
from sender.schemas import OutgoingMessage
from tests.bench.sender import mails
from tests.bench.sender.drain import PORT, Wrong, logged, receiver, senders
from tests.bench.sender.memory import pss
from tests.bench.sender.processes import Process
from tests.bench.sender.producers import connected, enqueue
from tests.bench.sender.world import Size, Tenant, World

SIZE = Size(tenants=500, addresses=2_000, domains=2_000, mailboxes=2_000)
REPLY = 0.05
"""Seconds that the host takes for each reply."""
TOGETHER = 4
"""Mails that are enqueued at once: one for each address of a tenant, or all for one of them."""
PRODUCERS = 4
PAUSE = 0.005
"""Seconds between two looks of a producer for what is due."""
SAMPLE = 0.5
"""Seconds between two looks at the senders."""
LAST = 60.0
"""Seconds that the last mails may take."""
DONE = """
select count(*) from queue.records where state = 'done' and due_at >= to_timestamp(%s)
"""
DELAYS = """
select message.recipient, extract(epoch from record.due_at)::float
from mail.messages as message join queue.records as record using (id)
where record.due_at >= to_timestamp(%s)
"""


@dataclass(frozen=True)
class Load:
    """What comes, and how it is sent."""

    name: str
    rate: int
    """Mails a second."""
    goal: float
    """Seconds from due to the last reply, of 99 of 100 mails."""
    keep_alive: float = 10.0
    """Seconds that an idle connection is kept."""
    is_grouped: bool = False
    """Mails that come together go to one address."""


LOADS = (
    Load("116/s", 116, 1.5, keep_alive=0),
    Load("450/s, one mail a connection", 450, 4.0, keep_alive=0),
    Load("450/s, mini-batches", 450, 2.0, is_grouped=True),
)


@dataclass
class Sent:
    """What was seen of a load."""

    load: Load
    half: float
    most: float
    """Seconds that half of the mails and that 99 of 100 took at most."""
    connections: int
    rate: float = 0.0
    """Mails a second that were enqueued."""
    descriptors: int = 0
    memory: float = 0.0
    """MB; both are the most of one process."""


@dataclass
class Offer:
    """What is enqueued for a load, by several producers: one waits too long for its commits."""

    tenants: Sequence[Tenant]
    load: Load
    first: int
    """Number of the first mail."""
    began: float
    seconds: float
    count: int = 0

    def take(self) -> tuple[Tenant, list[OutgoingMessage]]:
        """Return mails of the next tenant."""
        turn, place = divmod(self.count // TOGETHER, len(self.tenants))
        tenant = self.tenants[place]
        numbers = range(self.first + self.count, self.first + self.count + TOGETHER)
        self.count += TOGETHER
        return tenant, [
            mails.message(number, tenant.mailbox(turn if self.load.is_grouped else at))
            for at, number in enumerate(numbers)
        ]


def measure(world: World, loop: str, loads: Sequence[Load], seconds: float) -> list[Sent]:
    """Run the loads one after the other."""
    world.fresh()
    tenants, chains = world.settle(SIZE, PORT)
    found = []
    with receiver(chains, loop, REPLY) as sink:
        for place, load in enumerate(loads):
            first = place * 1_000_000
            with senders(world, loop, keep_alive=load.keep_alive) as pids:
                found.append(_run(world, sink, pids, tenants, load, seconds, first))
    return found


def _run(
    world: World,
    sink: Process,
    pids: Sequence[int],
    tenants: Sequence[Tenant],
    load: Load,
    seconds: float,
    first: int,
) -> Sent:
    began = time.time()
    sent = Sent(load, 0, 0, 0)
    count = asyncio.run(_offer(world.dsn, tenants, load, seconds, first, sent, pids))
    with psycopg.connect(world.dsn, autocommit=True) as connection:

        def done() -> bool:
            row = connection.execute(DONE, [began]).fetchone()
            return row is not None and row[0] == count

        if not wait_until(done, seconds=LAST):
            raise Wrong(f"{load.name}: not all was sent\n{logged(world)}")
        due: dict[str, float] = dict(connection.execute(DELAYS, [began]).fetchall())
    received: dict[str, Any] = sink.ask("dump")
    if sorted(received["recipients"]) != sorted(due):
        raise Wrong(f"{load.name}: what was received is not what was enqueued")
    delays = sorted(
        at - due[recipient]
        for recipient, at in zip(received["recipients"], received["times"], strict=True)
    )
    sent.half, sent.most = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    sent.connections = received["connections"]
    return sent


async def _offer(
    dsn: str,
    tenants: Sequence[Tenant],
    load: Load,
    seconds: float,
    first: int,
    sent: Sent,
    pids: Sequence[int],
) -> int:
    """Enqueue at a steady rate, and look at the senders meanwhile; return how many it were."""
    offer = Offer(tenants, load, first, asyncio.get_running_loop().time(), seconds)
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(_look(sent, pids))
        producers = [group.create_task(_produce(dsn, offer)) for _ in range(PRODUCERS)]
        await asyncio.wait(producers)
        looking.cancel()
    sent.rate = offer.count / seconds
    return offer.count


async def _produce(dsn: str, offer: Offer) -> None:
    """Enqueue what is due, as one of several."""
    loop = asyncio.get_running_loop()
    async with connected(dsn) as connection:
        while (passed := loop.time() - offer.began) < offer.seconds:
            if offer.count >= passed * offer.load.rate:
                await asyncio.sleep(PAUSE)
                continue
            tenant, messages = offer.take()
            await enqueue(connection, tenant, messages)
            await connection.commit()


async def _look(sent: Sent, pids: Sequence[int]) -> None:
    processes = [psutil.Process(pid) for pid in pids]
    while True:
        sent.descriptors = max(sent.descriptors, *(one.num_fds() for one in processes))
        sent.memory = max(sent.memory, *map(pss, pids))
        await asyncio.sleep(SAMPLE)
