"""Metrics of all tenants at the API, and of a reconciler that works."""

from __future__ import annotations

from typing import Any

import psycopg

from controlplane import faults
from controlplane.ansible.faults import HOST_KEY_CHANGED
from controlplane.database import OPERATOR
from controlplane.reconciler.metrics import Metrics
from controlplane.schedule.repository import backlog
from controlplane.schedule.schemas import Why
from hostwinds.journal.postgres import grant_rights
from hostwinds.limiter import Pace, PostgresLimiter
from kit.database import Role
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows
from tests.support.installation import login

__all__ = ["stepped"]


async def samples(client: Any, prefix: str = "penguin_reconciler_") -> list[str]:
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    lines = answer.text.splitlines()
    return [line for line in lines if line.startswith(prefix)]


async def test_due_stalled_and_waiting_tenants_are_counted(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    stepped.clock.advance(seconds=30)
    shown = await samples(stepped.api)
    assert 'penguin_reconciler_due{why="requested"} 1' in shown
    assert 'penguin_reconciler_oldest_due_seconds{why="requested"} 30' in shown
    assert 'penguin_reconciler_oldest_due_seconds{why="regular"} 0' in shown
    stepped.cloud.failures = [HOST_KEY_CHANGED.shown()]
    await stepped.step()
    shown = await samples(stepped.api)
    assert 'penguin_reconciler_due{why="requested"} 0' in shown
    reason = HOST_KEY_CHANGED.reason
    assert f'penguin_reconciler_stalled{{reason="{reason}"}} 1' in shown
    acts = HOST_KEY_CHANGED.acts
    assert f'penguin_reconciler_todo{{reason="{reason}",acts="{acts}"}} 1' in shown


async def test_what_is_frozen_is_shown(operator: Any) -> None:
    assert 'penguin_reconciler_frozen{what="purchases"} 0' in await samples(operator)
    body = {"what": "purchases", "reason": "the bill"}
    await operator.post("/platform/freeze", json=body)
    shown = await samples(operator)
    assert 'penguin_reconciler_frozen{what="purchases"} 1' in shown
    assert 'penguin_reconciler_frozen{what="destruction"} 0' in shown


async def test_requests_to_providers_are_counted(operator: Any, upgraded: str) -> None:
    with psycopg.connect(upgraded) as admin:
        grant_rights(admin, login(Role.JOURNAL))
        admin.execute("delete from purchase.limiter")
    assert not [line for line in await samples(operator, "penguin_provider_") if "{" in line]
    limiter = PostgresLimiter(upgraded, Pace(0.1, provider="cloudflare"), pause=lambda _: None)
    for _ in range(3):
        limiter.wait()
    limiter.hold(1)
    shown = await samples(operator, "penguin_provider_")
    assert 'penguin_provider_requests_total{provider="cloudflare"} 3' in shown
    assert 'penguin_provider_refusals_total{provider="cloudflare"} 1' in shown
    [waited] = [line for line in shown if "wait_seconds_total{" in line]
    assert 20 < float(waited.split()[-1]) <= 30


async def test_pass_that_a_worker_has_is_not_in_the_backlog(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    seen = []

    async def look() -> None:
        async with stepped.database.begin(OPERATOR) as connection:
            due = await backlog(connection, now=stepped.clock())
        seen.append({each.why: each.passes for each in due})

    stepped.meanwhile("before up", look)
    await stepped.step()
    assert seen == [dict.fromkeys(Why, 0)]


async def test_passes_and_operations_are_counted(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    metrics = Metrics()
    await stepped.step(metrics)
    lines = metrics.text().splitlines()
    assert any(
        line.startswith("penguin_reconciler_passes_total{") and line.endswith(" 1")
        for line in lines
    )
    done = '{phase="cloud",outcome="succeeded"}'
    assert f"penguin_reconciler_operations_total{done} 1" in lines


async def test_tenants_key_gets_no_metrics(operator: Any, client_of: Any) -> None:
    tenant = await client_of((await create(operator))["id"])
    refused = await tenant.get("/metrics")
    assert_shows(refused.json(), faults.OPERATORS_ONLY)
