"""The supervisor stops parts in order, waits for each until its deadline, then kills it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from composition.supervisor import Child, Supervisor
from tests.support.waiting import SECONDS, wait_for

LONG = timedelta(hours=1)
ORDER = {"api": 0, "public": 0, "reconciler": 1, "sender": 2}


class Run:
    """A supervisor with one recording part per name of ORDER."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "events"
        self.stop = asyncio.Event()
        self.supervisor: Supervisor | None = None

    def child(self, name: str, stop_within: timedelta = LONG, **behaviour: object) -> Child:
        settings = {"name": name, "log": str(self._log), **behaviour}
        return Child(
            name=name,
            module="tests.support.recording_part",
            settings=json.dumps(settings).encode(),
            stop_order=ORDER[name],
            stop_within=stop_within,
        )

    @property
    def events(self) -> list[str]:
        return self._log.read_text().splitlines()

    async def until(self, *events: str) -> None:
        await asyncio.to_thread(wait_for, lambda: set(events) <= set(self.events))

    @asynccontextmanager
    async def supervising(self, *children: Child) -> AsyncIterator[asyncio.Task[None]]:
        """Run until all parts have started; at the end nothing is running."""
        self.supervisor = Supervisor(children, self.stop)
        task = asyncio.create_task(self.supervisor.run())
        try:
            await self.until(*(f"{child.name} started" for child in children))
            yield task
        finally:
            self.stop.set()
            self.supervisor.kill()
            await task


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path))
    return Run(tmp_path)


async def test_supervisor_that_stops_stops_each_group_after_the_previous_one(
    run: Run, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    children = [
        run.child("sender"),
        run.child("reconciler"),
        run.child("api", gate=str(gate)),
        run.child("public"),
    ]
    async with run.supervising(*children) as task:
        run.stop.set()
        await run.until("api stopping", "public ended")
        assert not {"reconciler stopping", "sender stopping"} & set(run.events)
        await asyncio.to_thread(gate.write_text, "")
        await asyncio.wait_for(task, SECONDS)
    assert run.events[-5:] == [
        "api ended",
        "reconciler stopping",
        "reconciler ended",
        "sender stopping",
        "sender ended",
    ]


async def test_part_past_its_deadline_is_killed_and_the_others_are_stopped(
    run: Run,
) -> None:
    stuck = run.child("reconciler", timedelta(seconds=0.2), ignores_stop=True)
    async with run.supervising(run.child("api"), stuck, run.child("sender")) as task:
        run.stop.set()
        await asyncio.wait_for(task, SECONDS)
    assert "reconciler ended" not in run.events
    assert run.events[-2:] == ["sender stopping", "sender ended"]


async def test_supervisor_told_to_kill_waits_for_no_part(run: Run) -> None:
    children = [run.child(name, ignores_stop=True) for name in ("api", "reconciler", "sender")]
    async with run.supervising(*children) as task:
        run.stop.set()
        await run.until("api stopping")
        assert run.supervisor is not None
        run.supervisor.kill()
        await asyncio.wait_for(task, SECONDS)
    assert not [event for event in run.events if event.endswith("ended")]
