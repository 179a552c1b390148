"""The sender under test: python -m tests.chaos.queue.program starts one for each Task it reads."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr

from blueprint import warmup
from sender import daemon
from sender.directory import SendingAddress
from sender.queue import (
    Attempt,
    Outcome,
    Settings,
    State,
    Worker,
    lists_client,
    worker_pool,
)
from sender.queue.retries import delay
from sender.settings import SenderSettings
from sender.smtp import Egress, Envelope, Limits, Result
from tests.chaos import clocks
from tests.chaos.queue.journal import Journal
from tests.chaos.queue.points import Point, Watch
from tests.chaos.starter import forked, serve
from tests.support.plain_log import log_plainly

CAP = 100_000_000
POLL, GRACE, LAST_WRITES, TIDY = 0.05, 20.0, 1.0, 1.0
"""Seconds."""
PAUSE = 0.5
"""Seconds for which a host that failed is paused."""


class Kind(StrEnum):
    """What a process runs."""

    SENDER = "sender"
    """All of it: composing, signing, caps, events."""
    WORKER = "worker"
    """The queue's worker, and a handler that hands ready mails over."""
    LISTS = "lists"
    """The same, whose jobs wait in Redis."""


@dataclass(frozen=True)
class Task:
    """What a process gets to know."""

    name: str
    kind: str
    dsn: str
    redis_url: str
    role: str
    key_ring: str
    token_key: str
    port: int
    ca_pem: str
    output: str
    journal: str
    outcomes_file: str
    lease: float
    point: str | None
    """None: it is ended by others."""
    arrivals: int
    """At its point before it ends."""
    least: int
    """Hand-overs that are open then."""
    clock: str
    """What is added to its clock; empty: it is right."""

    def __str__(self) -> str:
        """Return JSON."""
        return json.dumps(asdict(self))


async def send(task: Task, stop: asyncio.Event) -> None:
    """Run the whole sender."""
    settings = SenderSettings(
        database_url=SecretStr(task.dsn),
        key_ring=Path(task.key_ring),
        token_key=SecretStr(task.token_key),
        public_url="https://app.penguinmails.example",
        role=task.role,
        poll=POLL,
        lease=task.lease,
        grace=GRACE,
        last_writes=LAST_WRITES,
        outcomes_file=Path(task.outcomes_file),
        burst=CAP,
    )
    await daemon.run(settings, stop)


async def work(task: Task, stop: asyncio.Event, watch: Watch) -> None:
    """Run the queue's worker alone."""
    settings = Settings(
        poll=POLL,
        lease=task.lease,
        grace=GRACE,
        last_writes=LAST_WRITES,
        outcomes_file=Path(task.outcomes_file),
    )
    egress = Egress(Limits(first=8, pause=PAUSE, longest_pause=PAUSE))

    async def handle(attempt: Attempt) -> Outcome | None:
        ip, subject, content = attempt.job.body.split(b" ", 2)
        words = subject.decode().replace("_", " ")
        watch.write(words)
        mail = b"Message-ID: <%s@chaos.example>\r\nSubject: %s\r\n\r\n%s\r\n" % (
            attempt.job.id.hex.encode(),
            words.encode(),
            content,
        )
        done = await egress.hand_over(
            _address(task, ip.decode()),
            "password",
            Envelope("sales@chaos.example", "bob@rcpt.example"),
            mail,
            lambda: attempt.begin(task.name),
        )
        match done.result:
            case Result.ACCEPTED:
                return None
            case Result.UNKNOWN:
                return Outcome(State.UNKNOWN, done.reason)
        return Outcome(State.RETRY, done.reason, delay=delay(1))

    async def tidy() -> None:
        while True:
            egress.tidy()
            await asyncio.sleep(TIDY)

    async with AsyncExitStack() as opened:
        pool = await opened.enter_async_context(worker_pool(task.dsn))
        lists = None
        if task.kind == Kind.LISTS:
            lists = await opened.enter_async_context(lists_client(task.redis_url))
        tidying = asyncio.create_task(tidy())
        await Worker(pool, task.name, handle, settings, lists=lists).run(stop)
        tidying.cancel()
        await egress.close()


def _address(task: Task, ip: str) -> SendingAddress:
    return SendingAddress(
        name="mx1-1",
        ip=ip,
        helo="mx1-1.chaos.example",
        port=task.port,
        username="chaos",
        sealed_password="",
        ca_pem=task.ca_pem,
    )


async def main(task: Task) -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    point = None if task.point is None else Point(task.point)
    watch = Watch(Journal(Path(task.journal)), point, task.arrivals, task.least)
    watch.install()
    if task.kind == Kind.SENDER:
        await send(task, stop)
    else:
        await work(task, stop, watch)


def fork(task: Task) -> int:
    """Start a sender, which needs no time to import its modules; return its PID."""

    def run() -> None:
        if task.clock:
            clocks.shift(task.clock)
        asyncio.run(main(task))

    return forked(task.output, run)


def started(line: str) -> tuple[str, int]:
    """Start the sender of a task."""
    task = Task(**json.loads(line))
    return task.name, fork(task)


if __name__ == "__main__":
    log_plainly(least=logging.WARNING)
    unlimited = warmup.Staircase(start=CAP, target=CAP, percent=1, interval=1)
    for caps in (warmup.ADDRESS, warmup.DOMAIN):
        caps.update(dict.fromkeys(caps, unlimited))
    warmup.MAILBOX.update(
        dict.fromkeys(warmup.MAILBOX, warmup.Curve(start=CAP, target=CAP, days=1))
    )
    serve(started)
