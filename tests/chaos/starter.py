"""Processes under test, forked by a program that has their imports loaded; how each has ended."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Protocol

from kit.paths import checkout

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class Task(Protocol):
    """What a process gets to know; its text is one line."""

    @property
    def name(self) -> str:
        """Return the name of the process."""


class Process:
    """A process that was started."""

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
    """The program that starts them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Talk to it."""
        self.pid = process.pid
        self._process = process
        self._started: dict[str, Process] = {}

    async def start(self, task: Task) -> Process:
        """Start a process."""
        self._started[task.name] = process = Process()
        assert self._process.stdin is not None
        self._process.stdin.write(f"{task}\n".encode())
        await process.pid
        return process

    async def listen(self) -> None:
        """Learn what happens."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            name, what, number = line.decode().split()
            process = self._started[name]
            (process.pid if what == "started" else process.ended).set_result(int(number))

    async def end(self) -> None:
        """End all that still run."""
        for process in self._started.values():
            if process.signal(signal.SIGKILL):
                await process.ended


@asynccontextmanager
async def starter(program: str, environment: Mapping[str, str]) -> AsyncIterator[Starter]:
    """Run a program that starts processes: a module that calls `serve`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        program,
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


def serve(fork: Callable[[str], tuple[str, int]]) -> None:
    """Let `fork` start a process for each line of standard input, and say how each has ended.

    It returns the process's name and PID, with SIGCHLD blocked meanwhile.
    """
    names: dict[int, str] = {}

    def reap(*_: object) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if (name := names.pop(ended[0], None)) is not None:
                    _say(name, "ended", os.waitstatus_to_exitcode(ended[1]))

    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        with _blocked(signal.SIGCHLD):
            name, pid = fork(line)
            names[pid] = name
            _say(name, "started", pid)


def forked(output: str, run: Callable[[], None]) -> int:
    """Run a function in a process of its own, which is ended with this one; return its PID.

    What it prints is added to the file `output`.
    """
    if pid := os.fork():
        return pid
    status = 1
    try:
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor in (1, 2):
            os.dup2(file, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        run()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        os._exit(status)


def _say(name: str, what: str, number: int) -> None:
    os.write(1, f"{name} {what} {number}\n".encode())


@contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
