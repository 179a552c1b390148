"""Starts senders through `program`, and knows how they ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from kit.paths import checkout
from tests.chaos.queue.program import Task


class Sender:
    """A process."""

    def __init__(self) -> None:
        """Know nothing of it yet."""
        loop = asyncio.get_running_loop()
        self.pid: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()
        """Its status, or minus the signal."""

    def signal(self, number: signal.Signals) -> bool:
        """Send it a signal; False: it has ended."""
        if self.ended.done() or not self.pid.done():
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid.result(), number)
        return True


class Starter:
    """The process that starts them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Talk to it."""
        self._process = process
        self._senders: dict[str, Sender] = {}

    async def start(self, task: Task) -> Sender:
        """Start a sender."""
        self._senders[task.name] = sender = Sender()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{task}\n".encode())
        await sender.pid
        return sender

    async def listen(self) -> None:
        """Learn what happens."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            name, what, number = line.decode().split()
            sender = self._senders[name]
            (sender.pid if what == "started" else sender.ended).set_result(int(number))

    async def end(self) -> None:
        """End all that still run."""
        for sender in self._senders.values():
            if sender.signal(signal.SIGKILL):
                await sender.ended


@asynccontextmanager
async def starter(environment: Mapping[str, str]) -> AsyncIterator[Starter]:
    """Start the process that starts senders."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.queue.program",
        cwd=checkout(),
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    started = Starter(process)
    listening = asyncio.create_task(started.listen())
    try:
        yield started
    finally:
        await started.end()
        process.stdin.close()
        await process.wait()
        await listening
