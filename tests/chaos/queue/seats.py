"""Senders one after another: each is ended, and the next one is started."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.database import Role
from tests.chaos.queue.journal import Account
from tests.chaos.queue.points import Point
from tests.chaos.queue.program import Task
from tests.chaos.queue.scene import TOKEN_KEY, End, Scene
from tests.chaos.starter import Process, Starter
from tests.support.installation import login

ARRIVALS = 40
"""At its point before a sender ends, at most."""
LONGEST_LIFE = 40.0
"""Seconds after which a sender is ended that does not come to its point."""
LOOK = 0.1
LIFE = 4.0
"""Seconds after which a sender that is busy is killed at random, at most."""
Death = Point | None
"""The point at which a sender ends itself; None: it is killed at a random moment."""


class Seat:
    """One sender after the other."""

    def __init__(
        self,
        scene: Scene,
        starter: Starter,
        number: int,
        deaths: list[Death],
        least: int,
        clocks: Sequence[str] = ("",),
    ) -> None:
        """Take ends from `deaths`, which seats share; one counts if `least` hand-overs are open.

        `clocks` are those of its senders, in turn.
        """
        self._scene = scene
        self._starter = starter
        self._number = number
        self._deaths = deaths
        self._least = least
        self._incarnations = itertools.count(1)
        self._clocks = itertools.cycle(clocks)
        self._sender: Process | None = None
        self.is_mortal = False
        """Whether the present sender has one of the ends."""
        self.journals: list[Path] = []

    async def keep(self, stop: asyncio.Event) -> None:
        """Start senders until `stop` is set; then end the last one as a service manager does."""
        while not stop.is_set():
            self.is_mortal = bool(self._deaths)
            death = self._deaths.pop() if self.is_mortal else None
            task = self._task(death)
            self._sender = await self._starter.start(task)
            if not self.is_mortal:
                await self._stopped(task, self._sender, stop)
            elif not await self._killed(task, self._sender, death):
                self._deaths.append(death)  # it came to another end

    def signal(self, number: signal.Signals) -> bool:
        """Send the present sender a signal; False: there is none."""
        return self._sender is not None and self._sender.signal(number)

    def _task(self, death: Death) -> Task:
        scene, name = self._scene, f"{self._number}-{next(self._incarnations)}"
        journal = scene.directory / f"journal-{name}"
        self.journals.append(journal)
        return Task(
            name=name,
            kind=scene.kinds[self._number - 1],
            dsn=scene.dsn,
            redis_url="" if scene.valkey is None else scene.valkey.url(),
            role=login(Role.SENDER),
            key_ring=str(scene.key_ring),
            token_key=TOKEN_KEY,
            port=scene.port,
            ca_pem=scene.ca_pem,
            output=str(scene.directory / f"output-{name}"),
            journal=str(journal),
            outcomes_file=str(scene.directory / f"outcomes-{self._number}"),
            lease=scene.lease,
            point=death,
            arrivals=scene.chance.randint(1, ARRIVALS),
            least=self._least,
            clock=next(self._clocks),
        )

    async def _killed(self, task: Task, sender: Process, death: Death) -> bool:
        """Wait for the end of a mortal sender; return whether it was the one that was meant."""
        life = LONGEST_LIFE
        if death is None:
            busy = asyncio.create_task(self._busy(Path(task.journal)))
            await _first(busy, sender.ended, seconds=life)
            busy.cancel()
            life = self._scene.chance.uniform(0, LIFE)
        await asyncio.wait({sender.ended}, timeout=life)
        is_killed = sender.signal(signal.SIGKILL)
        account = self._ended(task, await sender.ended)
        is_meant = account.point == death and is_killed == (death is None)
        return is_meant and account.open >= self._least

    async def _busy(self, journal: Path) -> None:
        while Account.read(journal).open < self._least:  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK)

    async def _stopped(self, task: Task, sender: Process, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        await _first(stopping, sender.ended)
        stopping.cancel()
        sender.signal(signal.SIGTERM)
        self._ended(task, await sender.ended)

    def _ended(self, task: Task, status: int) -> Account:
        account = Account.read(Path(task.journal))
        if status == -signal.SIGKILL:
            point = account.point or "at random"
            self._scene.ends.append(End(task.name, point, account, self._scene.rate()))
        elif status:
            output = Path(task.output).read_text(errors="replace")
            self._scene.faults.append(f"{task.name} ended with {status}: {output[-1500:]}")
        return account


async def _first(*events: asyncio.Future[Any], seconds: float | None = None) -> None:
    await asyncio.wait(events, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
