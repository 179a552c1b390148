"""Reconcilers one after another: each that has ended is started again."""

from __future__ import annotations

import asyncio
import itertools
import signal
from pathlib import Path
from typing import Any

from tests.chaos.reconciler.program import Task
from tests.chaos.reconciler.scene import Scene
from tests.chaos.reconciler.wires import Wires
from tests.chaos.starter import Process, Starter

SHOWN = 1500
"""Characters of what a reconciler wrote before it ended by itself."""
WORKERS = 2
"""Tenants that each reconciler works on at a time."""


class Seat:
    """One reconciler after the other."""

    def __init__(self, scene: Scene, starter: Starter, number: int, wires: Wires) -> None:
        self.wires = wires
        self._scene = scene
        self._starter = starter
        self._number = number
        self._incarnations = itertools.count(1)
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """Return the PID of the present one."""
        process = self._process
        if process is None or process.ended.done() or not process.pid.done():
            return None
        return process.pid.result()

    async def keep(self, stop: asyncio.Event) -> None:
        """Start reconcilers until `stop` is set; then end the last one by SIGTERM."""
        stopping = asyncio.create_task(stop.wait())
        while not stop.is_set():
            task = self._task()
            self._process = process = await self._starter.start(task)
            either: set[asyncio.Future[Any]] = {stopping, process.ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                process.signal(signal.SIGTERM)
            status = await process.ended
            if status == -signal.SIGKILL:
                self._scene.done["reconciler killed"] += 1
            elif status:
                said = _said(task)
                self._scene.broken.append(f"reconciler {task.name} ended with {status}: {said}")

    def _task(self) -> Task:
        scene = self._scene
        operations = scene.directory / "work" / f"operations-{self._number}"
        operations.mkdir(parents=True, exist_ok=True)
        return Task(
            name=f"{self._number}-{next(self._incarnations)}",
            dsn=self.wires.through(scene.dsn),
            environment={
                name: self.wires.through(value) for name, value in scene.environment.items()
            },
            operations=str(operations),
            key_ring=str(scene.key_ring),
            output=str(scene.directory / f"output-{self._number}"),
            arms=str(scene.directory / "arms"),
            lease=scene.lease,
            workers=WORKERS,
            without=scene.without,
        )


def _said(task: Task) -> str:
    return Path(task.output).read_text(errors="replace")[-SHOWN:]
