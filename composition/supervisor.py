"""Runs each part in a process of its own, starts it again when it dies, and ends all in order."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog

from composition.faults import PARTS_DOWN
from kit.leftovers import end_leftovers
from kit.paths import state_dir

DEATHS, WITHIN = 5, 60.0
"""So many deaths within so many seconds, and a part is left down."""
FIRST_PAUSE = 0.5
"""Seconds before a part that died is started again; doubles with each death within a minute."""
DOWN = "down"
"""Directory of notes in the state directory: a part that is left down, and why."""
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "NO_COLOR", "PYTHONUNBUFFERED")
"""What a part sees of the environment; everything else comes through its pipe."""
MARK = "PENGUIN_SERVE"
"""Variable of every process of a control plane: its state directory."""
PART_MARK = "PENGUIN_PART"
"""Variable of everything that one process of a part has started."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Child:
    """How one part is started and ended."""

    name: str
    module: str
    settings: bytes = field(repr=False)
    """One line; it goes through a pipe, since arguments and environment are for all to read."""
    turn: int
    """Parts with a lower number are ended first; those with the same, together."""
    stop_within: timedelta
    sockets: tuple[int, ...] = ()


class Supervisor:
    """Keeps children running until `stop` is set."""

    def __init__(self, children: Sequence[Child], stop: asyncio.Event) -> None:
        self._children = [_Running(child) for child in children]
        self._stop = stop
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Wait for nothing any more: whatever still runs is killed."""
        self._hurry.set()

    async def run(self) -> None:
        """Run all until `stop`, then end them in turn; raises `serve.parts_down` when all are."""
        keeping = [asyncio.create_task(child.keep()) for child in self._children]
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait(
            {stopping, asyncio.create_task(_all(keeping))}, return_when=asyncio.FIRST_COMPLETED
        )
        stopping.cancel()
        if not self._stop.is_set():
            raise PARTS_DOWN(parts=", ".join(child.name for child in self._children))
        for turn in sorted({child.turn for child in self._children}):
            group = [child for child in self._children if child.turn == turn]
            await asyncio.gather(*(child.end(self._hurry) for child in group))
        await asyncio.gather(*keeping)
        for child in self._children:
            down_note(child.name).unlink(missing_ok=True)


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


class _Running:
    """One child and its process of the moment."""

    def __init__(self, child: Child, clock: Callable[[], float] | None = None) -> None:
        self._child = child
        self._clock = clock or asyncio.get_running_loop().time
        self._process: asyncio.subprocess.Process | None = None
        self._mark = ""
        self._ending = asyncio.Event()

    @property
    def name(self) -> str:
        return self._child.name

    @property
    def turn(self) -> int:
        return self._child.turn

    async def keep(self) -> None:
        """Start the child again whenever it dies; return when it is ended or left down."""
        down_note(self.name).unlink(missing_ok=True)
        deaths: list[float] = []
        while not self._ending.is_set():
            status = await self._live()
            if self._ending.is_set():
                return
            now = self._clock()
            deaths = [at for at in deaths if now - at < WITHIN] + [now]
            log.error("part died", name=self.name, end=_words(status), deaths=len(deaths))
            if len(deaths) >= DEATHS:
                self._leave_down(f"it ended {DEATHS} times within a minute, {_words(status)}")
                return
            with suppress(TimeoutError):
                pause = FIRST_PAUSE * 2 ** (len(deaths) - 1)
                await asyncio.wait_for(self._ending.wait(), pause)

    async def _live(self) -> int:
        """Run the child's process to its end, and end with it whatever it had started."""
        self._mark = secrets.token_hex(8)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._child.module,
            stdin=asyncio.subprocess.PIPE,
            env={**environment(), PART_MARK: self._mark},
            pass_fds=self._child.sockets,
            start_new_session=True,  # Ctrl-C is for us: the parts end in turn
        )
        self._process = process
        assert process.stdin is not None  # noqa: S101 - it was asked for
        process.stdin.write(self._child.settings + b"\n")  # stays open: its end is ours
        if self._ending.is_set():
            process.kill()
        status = await process.wait()
        process.stdin.close()
        await asyncio.to_thread(end_leftovers, f"{PART_MARK}={self._mark}")
        self._process = None
        return status

    async def end(self, hurry: asyncio.Event) -> None:
        """Ask the child to end, and kill it when its time is over."""
        self._ending.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        ended = asyncio.create_task(process.wait())
        hurried = asyncio.create_task(hurry.wait())
        limit = self._child.stop_within.total_seconds()
        await asyncio.wait({ended, hurried}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
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
    """Return what every part sees: no setting, no secret."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    place = str(state_dir())
    return {**inherited, "PENGUIN_STATE_DIR": place, MARK: place}


def down_note(name: str) -> Path:
    """Return the file that says why a part of this state directory is left down."""
    return state_dir() / DOWN / name


def down_since(name: str) -> str:
    """Return why a part is left down; empty when it is not."""
    try:
        return f"left down: {down_note(name).read_text()}"
    except OSError:
        return ""


def _words(status: int) -> str:
    if status >= 0:
        return f"with exit code {status}"
    return f"by signal {signal.Signals(-status).name}"
