"""Runs each part in a process of its own, restarts it when it dies, and stops all in order."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog

from composition.faults import PARTS_DOWN
from kit.inherited import CONTROL_PLANE, PART, inherited
from kit.leftovers import end_leftovers
from kit.paths import state_dir
from kit.pausing import pause

MAX_DEATHS, WINDOW_SECONDS = 5, 60.0
"""A part that dies this often within this time is left down."""
FIRST_BACKOFF_SECONDS = 0.5
"""Before a part that died is restarted; doubles with each death within the window."""
LOADER = ("-m", "composition.parts")
"""Runs the module that follows."""
DOWN = "down"
"""Directory in the state directory: one file per part that is left down, with the reason."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Child:
    """How one part is started and stopped."""

    name: str
    module: str
    settings: bytes = field(repr=False)
    """One line; sent through a pipe, since other users can read arguments."""
    stop_order: int
    """Parts with a lower number are stopped first; those with the same, together."""
    stop_within: timedelta
    sockets: tuple[int, ...] = ()


class Supervisor:
    """Keeps children running until `stop` is set."""

    def __init__(self, children: Sequence[Child], stop: asyncio.Event) -> None:
        self._children = [_Running(child) for child in children]
        self._stop = stop
        self._kill = asyncio.Event()

    def kill(self) -> None:
        """Wait no longer for parts that are being stopped: kill them."""
        self._kill.set()

    async def run(self) -> None:
        """Run all until `stop`, then stop them in order; raises PARTS_DOWN when all are down."""
        supervising = [asyncio.create_task(child.supervise()) for child in self._children]
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait(
            {stopping, asyncio.create_task(_all(supervising))}, return_when=asyncio.FIRST_COMPLETED
        )
        stopping.cancel()
        if not self._stop.is_set():
            raise PARTS_DOWN(parts=", ".join(child.name for child in self._children))
        for number in sorted({child.stop_order for child in self._children}):
            group = [child for child in self._children if child.stop_order == number]
            await asyncio.gather(*(child.stop(self._kill) for child in group))
        await asyncio.gather(*supervising)
        for child in self._children:
            down_note(child.name).unlink(missing_ok=True)


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


class _Running:
    """One child and its current process."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    @property
    def name(self) -> str:
        return self._child.name

    @property
    def stop_order(self) -> int:
        return self._child.stop_order

    async def supervise(self) -> None:
        """Restart the child whenever it dies; return when it is stopped or left down."""
        down_note(self.name).unlink(missing_ok=True)
        deaths: list[float] = []
        while not self._stopping.is_set():
            status = await self._run()
            if self._stopping.is_set():
                return
            now = asyncio.get_running_loop().time()
            deaths = [at for at in deaths if now - at < WINDOW_SECONDS] + [now]
            log.error("part died", name=self.name, end=_exit_text(status), deaths=len(deaths))
            if len(deaths) >= MAX_DEATHS:
                self._leave_down(
                    f"it ended {MAX_DEATHS} times within a minute, {_exit_text(status)}"
                )
                return
            await pause(self._stopping, FIRST_BACKOFF_SECONDS * 2 ** (len(deaths) - 1))

    async def _run(self) -> int:
        """Run the child's process to its end, then kill the processes that it has left running."""
        mark = secrets.token_hex(8)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *LOADER,
            self._child.module,
            stdin=asyncio.subprocess.PIPE,
            env={**environment(), PART: mark},
            pass_fds=self._child.sockets,
            start_new_session=True,  # Ctrl-C reaches the supervisor only
        )
        self._process = process
        assert process.stdin is not None  # noqa: S101 - a pipe, as requested above
        process.stdin.write(self._child.settings + b"\n")  # stays open until the supervisor ends
        if self._stopping.is_set():
            process.kill()
        status = await process.wait()
        process.stdin.close()
        await asyncio.to_thread(end_leftovers, f"{PART}={mark}")
        self._process = None
        return status

    async def stop(self, kill: asyncio.Event) -> None:
        """Send SIGTERM; kill the process at its deadline, or as soon as `kill` is set."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        ended = asyncio.create_task(process.wait())
        killed = asyncio.create_task(kill.wait())
        limit = self._child.stop_within.total_seconds()
        await asyncio.wait({ended, killed}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        if process.returncode is None:
            log.warning("part killed: it did not end in time", name=self.name)
            with suppress(ProcessLookupError):
                process.kill()
        await ended

    def _leave_down(self, reason: str) -> None:
        log.error("part left down", name=self.name, reason=reason)
        print(f"{self.name} is left down: {reason}; see the log", file=sys.stderr, flush=True)
        note = down_note(self.name)
        note.parent.mkdir(exist_ok=True)
        note.write_text(reason)


def environment() -> Mapping[str, str]:
    """Return the variables of every part; everything else comes through its pipe."""
    directory = str(state_dir())
    return {**inherited(), "PENGUIN_STATE_DIR": directory, CONTROL_PLANE: directory}


def down_note(name: str) -> Path:
    """Return the file that holds the reason why a part is left down."""
    return state_dir() / DOWN / name


def down_reason(name: str) -> str:
    """Return why a part is left down; empty when it is not."""
    try:
        return f"left down: {down_note(name).read_text()}"
    except OSError:
        return ""


def _exit_text(status: int) -> str:
    if status >= 0:
        return f"with exit code {status}"
    return f"by signal {signal.Signals(-status).name}"
