"""A reconciler in a process of its own, which is killed where one phase ends and another begins.

`python -m tests.integration.provisioning.mortal PLACE HOURS PHASE` makes one visit, so many hours
from now, with the real engine. It dies before the phase; at `end` after the last.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blueprint.document import Blueprint
from controlplane.database import Database
from controlplane.pulumi.engine import PulumiEngine
from controlplane.reconciler import visit
from controlplane.reconciler.context import Context, Ports
from controlplane.reconciler.loop import step
from controlplane.reconciler.ports import CloudState, Finding
from controlplane.settings import ReconcilerSettings
from controlplane.verification.recorded import RecordedVerifier
from tests.support.installation import INSTALLATION
from tests.support.memory_configurator import MemoryConfigurator
from vault import KeyRing, Vault

from .plane import PASSWORDS, PLATFORM

DSN = "TEST_DATABASE"


class Mortal:
    """A phase before which, or after which, the process is gone."""

    def __init__(self, phase: visit.Phase, *, before: bool, after: bool) -> None:
        self.name = phase.name
        self._phase = phase
        self._before = before
        self._after = after

    async def run(self, context: Context) -> None:
        if self._before:
            os.kill(os.getpid(), signal.SIGKILL)
        await self._phase.run(context)
        if self._after:
            os.kill(os.getpid(), signal.SIGKILL)


class Trusting(RecordedVerifier):
    """Holds hosts that are in memory for well."""

    async def verify_hosts(
        self, blueprint: Blueprint, state: CloudState, *, authority: str
    ) -> Sequence[Finding]:
        return [
            Finding(f"address/{address.name}", "smtp.tls", True, "believed", "smtp.ok")
            for host in state.hosts
            for address in host.addresses
        ]


async def live(place: Path, later: timedelta) -> None:
    """Visit once."""
    database = Database.connect(os.environ[DSN], INSTALLATION, PASSWORDS, pool_size=3)
    ports = Ports(
        database=database,
        engine=PulumiEngine(
            installation=INSTALLATION, environment=os.environ, root=place / "operations"
        ),
        verifier=Trusting(),
        vault=Vault(KeyRing.load(place / "keys")),
        platform=PLATFORM,
        settings=ReconcilerSettings(),
        clock=lambda: datetime.now(UTC) + later,
        configurator=MemoryConfigurator(),
        root_password=lambda _: "first",
    )
    await step(ports, f"mortal/{os.getpid()}", asyncio.Event())
    await database.close()


def main() -> None:
    place, hours, end = sys.argv[1:]
    phases = visit._phases
    visit._phases = lambda context: [
        Mortal(
            phase,
            before=phase.name == end,
            after=end == "end" and phase.name == "activation",
        )
        for phase in phases(context)
    ]
    asyncio.run(live(Path(place), timedelta(hours=int(hours))))


if __name__ == "__main__":
    main()
