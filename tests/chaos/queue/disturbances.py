"""What happens to the database, to hosts and to senders while mail is handed over."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sender.queue import operations
from tests.chaos import database
from tests.chaos.queue.offering import Offer
from tests.chaos.queue.points import POISON
from tests.chaos.queue.receiver import Mode
from tests.chaos.queue.scene import AWAY, Scene
from tests.chaos.queue.seats import Seat
from tests.support.processes import suspended

OUTAGE = 4.0
"""Seconds."""
TIMES = 5
BETWEEN = 0.3
PUT_OFF = """
select id from queue.scheduled
where losses = 0 or 1 = (select count(*) from queue.scheduled where losses > 0)
"""
LOCK_ROWS = "select id from queue.ready order by id limit 200 for update skip locked"


@dataclass(frozen=True)
class Play:
    """What disturbances act upon."""

    scene: Scene
    seats: list[Seat]
    offer: Offer

    @property
    def seat(self) -> Seat:
        """Return one of the seats."""
        return self.scene.chance.choice(self.seats)


async def restart_postgres(play: Play) -> None:
    """Restart the database."""
    await database.restart(play.scene.postgres)


async def kill_postgres(play: Play) -> None:
    """Kill the database, and start it again."""
    await database.kill(play.scene.postgres)


async def stop_postgres(play: Play) -> None:
    """Stop the database for a while, and a sender meanwhile."""
    await asyncio.to_thread(play.scene.postgres.stop)
    await asyncio.sleep(OUTAGE / 2)
    play.seat.signal(signal.SIGTERM)
    await asyncio.sleep(OUTAGE / 2)
    await asyncio.to_thread(play.scene.postgres.start)


async def end_sessions(play: Play) -> None:
    """End all sessions of the database, several times."""
    for _ in range(TIMES):
        await database.end_sessions(play.scene.dsn)
        await asyncio.sleep(BETWEEN)


async def refuse_writes(play: Play) -> None:
    """Let the database refuse to write, as one that has become a standby does."""
    async with play.scene.admin() as connection:
        await connection.execute("alter system set default_transaction_read_only = on")
        await connection.execute("select pg_reload_conf()")
        await asyncio.sleep(OUTAGE)
        await connection.execute("alter system reset default_transaction_read_only")
        await connection.execute("select pg_reload_conf()")


async def take_connections(play: Play) -> None:
    """Use up the connections of the database, as soon as senders lose theirs."""
    async with AsyncExitStack() as opened:
        await database.end_sessions(play.scene.dsn)
        for _ in range(TIMES):
            await _fill(play.scene, opened)
            await asyncio.sleep(BETWEEN)


async def lock_rows(play: Play) -> None:
    """Hold rows of due jobs in a transaction that does nothing."""
    async with play.scene.admin() as connection, connection.transaction():
        await connection.execute(LOCK_ROWS)
        await asyncio.sleep(OUTAGE)


async def suspend_sender(play: Play) -> None:
    """Suspend a sender for longer than its lease; then it goes on."""
    seat = play.seat
    if seat.signal(signal.SIGSTOP):
        await asyncio.sleep(play.scene.lease * 2)
        seat.signal(signal.SIGCONT)


async def terminate_sender(play: Play) -> None:
    """Stop a sender as a service manager does."""
    play.seat.signal(signal.SIGTERM)


async def refuse_all(play: Play) -> None:
    """Let all hosts refuse for now, then let all mail that was put off be due at once."""
    async with _behaving(play, Mode.BUSY, play.scene.hosts):
        await asyncio.sleep(OUTAGE)
    await make_due(play.scene)


async def silence_host(play: Play) -> None:
    """Let a host take connections and mails and answer nothing."""
    async with _behaving(play, Mode.SILENT, [play.scene.chance.choice(play.scene.hosts)]):
        await asyncio.sleep(2 * OUTAGE)


async def drop_answers(play: Play) -> None:
    """Let a host close connections instead of answering mails."""
    async with _behaving(play, Mode.DROPPING, [play.scene.chance.choice(play.scene.hosts)]):
        await asyncio.sleep(OUTAGE / 2)


async def darken_hosts(play: Play) -> None:
    """End a quarter of the hosts for a while."""
    async with dark(play):
        await asyncio.sleep(2 * OUTAGE)


async def poison(play: Play) -> None:
    """Enqueue a mail that ends each sender that tries it."""
    play.scene.poison.update(await play.offer.put(1, subject=POISON))


async def flush_redis(play: Play) -> None:
    """Remove all that is in Redis, several times."""
    for _ in range(TIMES):
        with play.scene.redis() as client:
            client.flushall()
        await asyncio.sleep(BETWEEN)


async def restart_redis(play: Play) -> None:
    """Stop Redis for a while; what was in it is gone."""
    assert play.scene.valkey is not None
    await asyncio.to_thread(play.scene.valkey.stop)
    await asyncio.sleep(OUTAGE)
    await asyncio.to_thread(play.scene.valkey.start)


async def silence_redis(play: Play) -> None:
    """Keep Redis from answering."""
    await _suspend_redis(play, OUTAGE)


async def slow_redis(play: Play) -> None:
    """Let Redis answer late, again and again."""
    for _ in range(3 * TIMES):
        await _suspend_redis(play, BETWEEN)
        await asyncio.sleep(BETWEEN / 3)


async def fill_redis(play: Play) -> None:
    """Let Redis refuse what needs memory."""
    with play.scene.redis() as client:
        client.config_set("maxmemory", 1)
        await asyncio.sleep(OUTAGE)
        client.config_set("maxmemory", 0)


DISTURBANCES: tuple[Callable[[Play], Awaitable[None]], ...] = (
    restart_postgres,
    kill_postgres,
    stop_postgres,
    end_sessions,
    refuse_writes,
    take_connections,
    lock_rows,
    suspend_sender,
    terminate_sender,
    refuse_all,
    silence_host,
    drop_answers,
    darken_hosts,
    poison,
)

OF_REDIS: tuple[Callable[[Play], Awaitable[None]], ...] = (
    flush_redis,
    restart_redis,
    silence_redis,
    slow_redis,
    fill_redis,
)


async def make_due(scene: Scene) -> None:
    """Let mail that was put off be due now, but keep apart what may end its senders."""
    async with scene.admin() as connection:
        rows = await connection.execute(PUT_OFF)
        ids = [row[0] for row in await rows.fetchall()]
        await operations.set_due(connection, ids)


@asynccontextmanager
async def dark(play: Play) -> AsyncIterator[set[str]]:
    """Let a quarter of the hosts be dark: half of these refuse connections, half answer nothing."""
    hosts = play.scene.chance.sample(play.scene.hosts, len(play.scene.hosts) // 4)
    half = len(hosts) // 2
    play.scene.darkened.update(hosts)
    async with _behaving(play, Mode.DARK, hosts[:half]), _behaving(play, Mode.SILENT, hosts[half:]):
        yield set(hosts)


@asynccontextmanager
async def _behaving(play: Play, mode: Mode, hosts: list[str]) -> AsyncIterator[None]:
    for host in hosts:
        play.scene.behave(host, mode)
    yield
    for host in hosts:
        play.scene.behave(host, Mode.WELL)


async def _suspend_redis(play: Play, seconds: float) -> None:
    assert play.scene.valkey is not None
    pid = play.scene.valkey.pid()
    assert pid is not None
    with suspended(pid):
        await asyncio.sleep(seconds)


async def _fill(scene: Scene, opened: AsyncExitStack) -> None:
    try:
        while True:
            await opened.enter_async_context(scene.admin())
    except AWAY:
        return
