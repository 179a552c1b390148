"""A reconciler that a test runs pass by pass, with all external systems in memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from blueprint.platform import Platform
from controlplane.database import CONTROLLER, Database
from controlplane.reconciler.high_water_mark import HighWaterMark
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.metrics import Metrics
from controlplane.reconciler.phase import AnyPhase
from controlplane.settings import ReconcilerSettings
from tests.integration.controlplane.conftest import Clock, document
from tests.support.cloud_engine import Account, InMemoryEngine
from tests.support.installation import PLATFORM
from tests.support.memory_configurator import MemoryConfigurator
from tests.support.memory_internet import MemoryInternet
from tests.support.phases import EmptySpools, MemoryLinks, standard
from tests.support.points import Points
from tests.support.waiting import SECONDS
from vault import KeyRing, Vault


@dataclass
class SteppedReconciler:
    """A reconciler that is run pass by pass, and a client of the API."""

    cloud: InMemoryEngine
    internet: MemoryInternet
    configurator: MemoryConfigurator
    points: Points
    """Points of the three test doubles."""
    clock: Clock
    api: httpx2.AsyncClient
    database: Database
    """As the test sees it."""
    reconciler_database: Database
    """As the reconciler sees it."""
    vault: Vault
    settings: ReconcilerSettings
    spools: EmptySpools
    links: MemoryLinks
    phases: list[AnyPhase]
    platform: Platform = PLATFORM
    high_water_mark: HighWaterMark | None = None

    def reconciler(self, metrics: Metrics | None = None) -> Reconciler:
        return Reconciler(
            database=self.reconciler_database,
            vault=self.vault,
            platform=self.platform,
            phases=self.phases,
            settings=self.settings,
            clock=self.clock,
            rng=random.Random(7),  # noqa: S311 - jitter
            metrics=metrics,
            high_water_mark=self.high_water_mark,
        )

    async def step(self, metrics: Metrics | None = None) -> bool:
        return await self.reconciler(metrics).step("test", asyncio.Event())

    async def end_leases(self) -> None:
        """Let the leases of dead processes have ended."""
        async with self.database.begin(CONTROLLER) as connection:
            await connection.execute(text("update oltp.schedule set lease_until = 'epoch'"))

    def meanwhile(self, point: str, action: Callable[[], Awaitable[object]]) -> None:
        """Run a coroutine in this test's event loop, once, while a test double waits at a point."""
        loop = asyncio.get_running_loop()

        async def run() -> None:
            await action()

        def wait() -> None:
            asyncio.run_coroutine_threadsafe(run(), loop).result(timeout=SECONDS)

        self.points.once(point, wait)

    async def until_quiet(self, passes: int = 10) -> None:
        """Run passes that become due within the next hour, up to a number of passes."""
        for _ in range(passes):
            self.clock.advance(minutes=6)
            if not await self.step():
                return

    async def tenant(self) -> dict[str, Any]:
        return dict((await self.api.get("/tenants/acme")).json())

    async def shown_condition(self, type_: str, subject: str = "tenant") -> dict[str, Any]:
        """Return a condition as the API shows it."""
        conditions = (await self.tenant())["conditions"]
        [condition] = [c for c in conditions if (c["subject"], c["type"]) == (subject, type_)]
        return dict(condition)

    async def condition(self, type_: str, subject: str = "tenant") -> tuple[str, str]:
        condition = await self.shown_condition(type_, subject)
        return condition["status"], condition["reason"]

    async def operations(self) -> list[tuple[str, str | None, str | None]]:
        page = (await self.api.get("/tenants/acme/operations")).json()
        return [(o["kind"], o["outcome"], o["error_code"]) for o in page["items"]][::-1]

    async def published(self) -> dict[str, bool]:
        """Return which domains the sender may send from."""
        async with self.database.begin(CONTROLLER) as connection:
            entry = (
                await connection.execute(text("select document from directory.entries"))
            ).scalar_one()
        return {domain["name"]: domain["verified"] for domain in entry["domains"]}

    async def apply(self, **spec: Any) -> httpx2.Response:
        existing = await self.api.get("/tenants/acme")
        if existing.status_code == 404:
            return await self.api.post("/tenants", json=document(**spec))
        return await self.api.put("/tenants/acme", json=document(**spec))


@pytest.fixture
def stepped(pools: Database, operator: Any, clock: Clock, tmp_path: Path) -> SteppedReconciler:
    points, spools, links = Points(), EmptySpools(), MemoryLinks()
    cloud = InMemoryEngine(Account(), points)
    internet, configurator = MemoryInternet(points), MemoryConfigurator(points)
    return SteppedReconciler(
        cloud,
        internet,
        configurator,
        points,
        clock,
        operator,
        database=pools,
        reconciler_database=pools,
        vault=Vault(KeyRing.create(tmp_path / "keys")),
        settings=ReconcilerSettings(retry_base=timedelta(seconds=2)),
        spools=spools,
        links=links,
        phases=standard(
            cloud, internet, configurator, servers=cloud.account, spools=spools, links=links
        ),
    )
