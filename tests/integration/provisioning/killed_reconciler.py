"""A reconciler in a process of its own, which is killed between two phases.

`python -m tests.integration.provisioning.killed_reconciler DIRECTORY HOURS PHASE` runs one pass
with the real engine and a clock that is HOURS ahead. It is killed before PHASE, or after the last
phase if PHASE is `end`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controlplane.database import Database
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.phase import AnyPhase, Phase, Step, Verdicts
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind
from controlplane.reconciler.table import Row
from controlplane.settings import ReconcilerSettings
from tests.support.installation import INSTALLATION, PASSWORDS, PLATFORM
from tests.support.memory_configurator import MemoryConfigurator
from tests.support.memory_internet import MemoryInternet
from tests.support.phases import standard
from tests.support.pulumi_engine import pulumi_engine
from vault import KeyRing, Vault

DSN = "TEST_DATABASE"


class Killed(Phase[Any]):
    """A phase before which the process is killed."""

    def __init__(self, phase: AnyPhase, *, before: bool) -> None:
        self.row = phase.row
        self._phase = phase
        self._before = before

    async def observe(self, snapshot: Snapshot, session: Session) -> Any:
        if self._before:
            os.kill(os.getpid(), signal.SIGKILL)
        return await self._phase.observe(snapshot, session)

    def verdicts(self, observed: Any, snapshot: Snapshot) -> Verdicts:
        return self._phase.verdicts(observed, snapshot)

    def steps(self, observed: Any, snapshot: Snapshot) -> Sequence[Step]:
        return self._phase.steps(observed, snapshot)

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        await self._phase.converge(step, snapshot, session, progress)


class Last(Phase[None]):
    """A phase after all others, in which the process is killed."""

    row = Row("end", "Ended", "never", frozenset({Kind.TENANT}), needs=("activation",))

    async def observe(self, snapshot: Snapshot, session: Session) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def verdicts(self, observed: None, snapshot: Snapshot) -> Verdicts:
        return {}


async def run(directory: Path, offset: timedelta, end: str) -> None:
    """Run one pass."""
    database = Database.connect(os.environ[DSN], INSTALLATION, PASSWORDS, pool_size=3)
    engine = pulumi_engine(os.environ, directory / "operations")
    phases: list[AnyPhase] = [
        Killed(phase, before=phase.row.name == end)
        for phase in standard(engine, MemoryInternet(), MemoryConfigurator())
    ]
    if end == Last.row.name:
        phases.append(Last())
    reconciler = Reconciler(
        database=database,
        vault=Vault(KeyRing.load(directory / "keys")),
        platform=PLATFORM,
        phases=phases,
        settings=ReconcilerSettings(),
        clock=lambda: datetime.now(UTC) + offset,
    )
    await reconciler.step(f"killed_reconciler/{os.getpid()}", asyncio.Event())
    await database.close()


def main() -> None:
    directory, hours, end = sys.argv[1:]
    asyncio.run(run(Path(directory), timedelta(hours=int(hours)), end))


if __name__ == "__main__":
    main()
