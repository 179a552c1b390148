"""Measures how fast two senders work off what was enqueued before."""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dkim
import psycopg

from kit.waiting import wait_until
from tests.bench.sender import mails
from tests.bench.sender.processes import Process, cpu, running
from tests.bench.sender.producers import fill
from tests.bench.sender.world import (
    PASSWORD,
    SELECTOR,
    USERNAME,
    Size,
    World,
    dkim_key,
)

SENDERS = 2
PORT, PLAIN_PORT = 20_587, 20_025
TOKEN_KEY = "ab" * 32
BURST = 10_000
"""Hours and spreading do not bind either."""
LIMIT = 120.0
PAUSE = 0.005
"""Between two looks for the first claim."""
LONG_PAUSE = 0.05
"""Between two looks for the last outcome: each costs as much as a mail, on the same processors."""
PART_OF_SLOTS = 256 // SENDERS


class Wrong(Exception):
    """What was received is not what was enqueued, or not all of it was sent in time."""


@dataclass
class Drained:
    """A drain."""

    count: int
    seconds: float
    cpu: dict[str, float] = field(default_factory=dict)
    """Seconds of processor time by kind of process."""

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.count / self.seconds


@contextmanager
def receiver(chains: dict[str, str], loop: str, delay: float = 0.0) -> Iterator[Process]:
    """Run the receiver."""
    credentials = f"\0{USERNAME}\0{PASSWORD}"
    values: dict[str, Any] = {
        "port": PORT,
        "plain_port": PLAIN_PORT,
        "login": credentials,
        "delay": delay,
    }
    with running("sink", loop=loop, chains=chains, **values) as sink:
        sink.ask()
        yield sink


@contextmanager
def senders(world: World, loop: str, *, ready: bool = False, **changes: Any) -> Iterator[list[int]]:
    """Run the senders; yields their ids once each has its part of the tenants."""
    settings = {
        "database_url": world.sender_dsn,
        "key_ring": str(world.key_ring),
        "token_key": TOKEN_KEY,
        "public_url": "https://app.penguinmails.example",
        "burst": BURST,
        **changes,
    }
    with ExitStack() as stack:
        found = [
            stack.enter_context(
                running(
                    "process",
                    log=world.root / f"sender{number}.log",
                    loop=loop,
                    ready=ready,
                    **settings,
                )
            )
            for number in range(SENDERS)
        ]
        with psycopg.connect(world.dsn, autocommit=True) as connection:
            query = "select count(*) from queue.slots where worker is not null group by worker"

            def shared() -> bool:
                return connection.execute(query).fetchall() == [(PART_OF_SLOTS,)] * SENDERS

            if not wait_until(shared, seconds=20):
                raise Wrong("the senders did not share the tenants:\n" + logged(world))
        yield [one.pid for one in found]
        for one in found:
            one.stop()


def logged(world: World) -> str:
    """Return the end of what the senders said."""
    return "\n".join(path.read_text()[-2000:] for path in sorted(world.root.glob("sender*.log")))


def bare_loop(sink: Process, loop: str, count: int) -> float:
    """Return the mails a second of a bare loop of aiosmtplib."""
    contents = list(mails.ready_mails())
    with running("bare", loop=loop, port=PLAIN_PORT, count=count, mails=contents) as process:
        rate: float = process.ask()
    _compare(sink.ask("dump"), count)
    return rate


def drain(
    world: World, size: Size, loop: str, count: int, *, ready: bool, beside: bool = False
) -> Drained:
    """Enqueue, let the senders work it off, and see that each mail came once.

    The senders begin when all is enqueued, or `beside` it.
    """
    world.fresh()
    tenants, chains = world.settle(size, PORT)
    make = mails.ready_message if ready else mails.message
    with (
        receiver(chains, loop) as sink,
        senders(world, loop, ready=ready) as pids,
    ):
        groups = {"senders": pids, "receiver": [sink.pid], "PostgreSQL": [postgres_pid(world)]}
        before: dict[str, float] = {}

        def begin() -> None:
            world.checkpoint()
            before.update((name, cpu(group)) for name, group in groups.items())

        filling = fill(world.dsn, tenants, count, make, begin, beside=beside)
        with ThreadPoolExecutor(1) as threads:
            filled = threads.submit(asyncio.run, filling)
            seconds = _watch(world, count, filled)
        used = {name: cpu(group) - before[name] for name, group in groups.items()}
        received = sink.ask("dump")
        _compare(received, count)
    if not ready:
        _verify(received["samples"])
    return Drained(count, seconds, used)


def postgres_pid(world: World) -> int:
    """Return the id of the server's first process."""
    pid = world.postgres.pid()
    assert pid is not None
    return pid


def _watch(world: World, count: int, filled: Future[None]) -> float:
    """Return the seconds from the first claim to the last outcome that is committed."""
    with psycopg.connect(world.dsn, autocommit=True) as connection:
        began = ended = None
        deadline = time.monotonic() + LIMIT
        while ended is None:
            if time.monotonic() > deadline:
                raise Wrong(f"not sent in {LIMIT:.0f} s: {_states(connection)}\n{logged(world)}")
            if filled.done():
                filled.result()
            # A look costs the database what is measured.
            time.sleep(PAUSE if began is None else LONG_PAUSE)
            if began is None:
                query = "select extract(epoch from min(claimed_at))::float from queue.claimed"
                began = _value(connection, query)
                continue
            query = """
                select case when not exists (select from queue.claimed)
                    and not exists (select from queue.ready)
                    then extract(epoch from clock_timestamp())::float end"""
            ended = _value(connection, query) if filled.done() else None
        done = _value(connection, "select count(*) from queue.records where state = 'done'")
        if done != count:
            raise Wrong(f"{done} of {count} are done: {_states(connection)}\n{logged(world)}")
        return float(ended - began)


def _states(connection: psycopg.Connection[Any]) -> object:
    query = "select state, reason, count(*) from queue.records group by 1, 2"
    held = "select reason, count(*) from queue.buckets where held_until > now() group by 1"
    return connection.execute(query).fetchall(), connection.execute(held).fetchall()


def _value(connection: psycopg.Connection[Any], query: Any) -> Any:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]


def _compare(received: dict[str, Any], count: int) -> None:
    expected = {mails.RECIPIENT.format(number=number) for number in range(count)}
    if len(received["recipients"]) != count or set(received["recipients"]) != expected:
        raise Wrong(f"{len(received['recipients'])} mails were received, {count} enqueued")


def _verify(samples: list[str]) -> None:
    """See that mails carry valid signatures."""
    record = b"v=DKIM1; k=rsa; p=" + b64encode(dkim_key()[1])
    for sample in samples:
        if not dkim.verify(b64decode(sample), dnsfunc=lambda *_, **__: record):
            raise Wrong(f"a signature of {SELECTOR} is not valid")


def machine() -> str:
    """Say what this runs on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    return f"{os.cpu_count()} CPUs ({model})"
