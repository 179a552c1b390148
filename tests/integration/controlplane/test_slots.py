"""Operations have slots: many slow ones hold no worker, and who waits for one is woken."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from blueprint.document import Blueprint
from controlplane.database import CONTROLLER
from controlplane.reconciler.ports import CloudState, Progress
from controlplane.schedule.repository import backlog, count_waiting
from hostwinds.faults import UNAUTHORIZED
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.cloud_engine import Account, InMemoryEngine
from tests.support.phases import standard
from tests.support.waiting import SECONDS, reached

__all__ = ["stepped"]

QUIET, SLOW = ("q1", "q2", "q3"), ("s1", "s2", "s3", "s4", "s5", "s6")


class SlowEngine(InMemoryEngine):
    """An engine whose runs end when a test lets them."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.gate = threading.Event()
        self.gate.set()
        self.running = self.most = 0

    def up(self, blueprint: Blueprint, progress: Progress, **given: Any) -> CloudState:
        """Apply a blueprint when the gate is open."""
        self.running += 1
        self.most = max(self.most, self.running)
        assert self.gate.wait(SECONDS)
        self.running -= 1
        return super().up(blueprint, progress, **given)


@pytest.fixture
def engine() -> SlowEngine:
    return SlowEngine(Account())


@pytest.fixture
def slow(stepped: SteppedReconciler, engine: SlowEngine) -> SteppedReconciler:
    """A reconciler with two workers, and two slots for runs of the engine."""
    phases = standard(engine, stepped.internet, stepped.configurator, servers=engine.account)
    settings = stepped.settings.model_copy(
        update={"workers": 2, "engine_slots": 2, "poll": timedelta(milliseconds=10)}
    )
    return replace(stepped, cloud=engine, phases=phases, settings=settings)


@asynccontextmanager
async def running(stepped: SteppedReconciler, engine: SlowEngine) -> AsyncIterator[None]:
    """Let the reconciler run in the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(stepped.reconciler().run(stop))
    try:
        yield
    finally:
        engine.gate.set()
        stop.set()
        await task


async def waiting(stepped: SteppedReconciler) -> int:
    async with stepped.database.begin(CONTROLLER) as connection:
        return (await count_waiting(connection)).get("engine", 0)


async def due(stepped: SteppedReconciler) -> int:
    async with stepped.database.begin(CONTROLLER) as connection:
        found = await backlog(connection, now=stepped.clock())
    return sum(each.passes for each in found)


async def settle(stepped: SteppedReconciler, *names: str) -> None:
    for name in names:
        await create(stepped.api, name)
    while await stepped.step():
        pass


async def make_due(stepped: SteppedReconciler) -> None:
    """Let the time of a regular look have come for all tenants."""
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(
            text("update oltp.schedule set due_at = :now"), {"now": stepped.clock()}
        )


async def test_slow_engine_runs_leave_the_workers_to_other_tenants(
    slow: SteppedReconciler, engine: SlowEngine
) -> None:
    await settle(slow, *QUIET)
    engine.gate.clear()
    for name in SLOW:
        await create(slow.api, name)
    await make_due(slow)
    async with running(slow, engine):
        await reached(lambda: waiting(slow), lambda count: count == len(SLOW) - 2)
        await reached(lambda: due(slow), lambda count: count == 0)
        assert engine.running == 2
        await create(slow.api, "s7")
        await reached(lambda: waiting(slow), lambda count: count == len(SLOW) - 1)


async def test_slot_that_is_free_again_wakes_who_waits(
    slow: SteppedReconciler, engine: SlowEngine
) -> None:
    engine.gate.clear()
    for name in SLOW:
        await create(slow.api, name)
    async with running(slow, engine):
        await reached(lambda: waiting(slow), lambda count: count == len(SLOW) - 2)
        engine.gate.set()  # the clock stands: no tenant is due by time
        await reached(lambda: waiting(slow), lambda count: count == 0)

        async def applied() -> int:
            return len(engine.stacks)

        await reached(applied, lambda count: count == len(SLOW))
    assert engine.most == 2


async def test_tenant_that_waits_for_a_slot_says_so_and_looks_again_by_itself(
    slow: SteppedReconciler, engine: SlowEngine
) -> None:
    engine.gate.clear()
    for name in SLOW[:3]:
        await create(slow.api, name)
    async with running(slow, engine):
        await reached(lambda: waiting(slow), lambda count: count == 1)
        looks = [(await slow.api.get(f"/tenants/{name}/next-look")).json() for name in SLOW[:3]]
        [look] = [look for look in looks if look["waits_for"]]
        assert look["waits_for"] == "engine"
        later = slow.clock() + slow.settings.slot_wait
        assert look["due_at"] == later.isoformat().replace("+00:00", "Z")
        shown = [(await slow.api.get(f"/tenants/{name}")).json() for name in SLOW[:3]]
        reasons = {
            condition["reason"]
            for tenant in shown
            for condition in tenant["conditions"]
            if condition["type"] == "Reconciling"
        }
        assert "WaitingForSlot" in reasons


async def test_deletion_without_a_slot_waits(slow: SteppedReconciler, engine: SlowEngine) -> None:
    await settle(slow, "q1")
    engine.gate.clear()
    for name in SLOW[:2]:
        await create(slow.api, name)
    async with running(slow, engine):

        async def used() -> int:
            return engine.running

        await reached(used, lambda count: count == 2)
        await slow.api.delete("/tenants/q1")
        await reached(lambda: waiting(slow), lambda count: count == 1)
        engine.gate.set()

        async def gone() -> int:
            return (await slow.api.get("/tenants/q1")).status_code

        await reached(gone, lambda status: status == 404)


async def test_account_that_is_refused_is_tried_for_one_tenant_and_stalls_none(
    stepped: SteppedReconciler,
) -> None:
    reconciler, stop = stepped.reconciler(), asyncio.Event()
    stepped.cloud.failures = [UNAUTHORIZED.shown() for _ in range(5)]
    for name in ("a1", "b2", "c3"):
        await create(stepped.api, name)
        await reconciler.step("test", stop)
    reasons = {}
    for name in ("a1", "b2", "c3"):
        conditions = (await stepped.api.get(f"/tenants/{name}")).json()["conditions"]
        own = {c["type"]: c for c in conditions if c["subject"] == "tenant"}
        assert own["Stalled"]["status"] == "False", name
        reasons[name] = own["Reconciling"]["reason"]
    assert reasons == {
        "a1": "HostwindsUnauthorized",
        "b2": "WaitingForAccount",
        "c3": "WaitingForAccount",
    }
    assert len(stepped.cloud.failures) == 4, "the provider was asked once"
