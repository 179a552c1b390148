"""A comparison with the providers that an operator asks for: once, and until it has succeeded."""

from __future__ import annotations

from typing import Any

from controlplane import faults
from hostwinds.faults import REFUSED
from stacks.faults import CLOUDFLARE_RATE_LIMITED
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows

__all__ = ["stepped"]


async def refreshes(stepped: SteppedReconciler) -> list[str | None]:
    return [outcome for kind, outcome, _ in await stepped.operations() if kind == "refresh"]


async def test_next_pass_refreshes_once(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.until_quiet()
    generation = (await stepped.tenant())["generation"]
    answer = await stepped.api.post("/tenants/acme/refresh")
    assert answer.status_code == 200
    assert await stepped.step()
    assert await refreshes(stepped) == ["succeeded"]
    await stepped.until_quiet()
    assert await refreshes(stepped) == ["succeeded"]
    assert (await stepped.tenant())["generation"] == generation
    assert await stepped.condition("Ready") == ("True", "Ready")
    events = (await stepped.api.get("/events?tenant=acme")).json()["items"]
    [event] = [event for event in events if event["kind"] == "refresh"]
    assert (event["reason"], event["actor"] is None) == ("RefreshAsked", False)


async def test_refresh_that_fails_is_repeated(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.until_quiet()
    await stepped.api.post("/tenants/acme/refresh")
    stepped.cloud.failures = [CLOUDFLARE_RATE_LIMITED.shown()]
    await stepped.until_quiet()
    assert await refreshes(stepped) == ["failed", "succeeded"]


async def test_refresh_asked_for_during_one_is_another(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.until_quiet()
    await stepped.api.post("/tenants/acme/refresh")

    async def ask() -> None:
        stepped.clock.advance(seconds=1)
        await stepped.api.post("/tenants/acme/refresh")

    stepped.meanwhile("after up", ask)
    await stepped.until_quiet()
    assert await refreshes(stepped) == ["succeeded", "succeeded"]


async def test_refresh_of_a_paused_tenant_waits_for_its_end(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.until_quiet()
    await stepped.api.post("/tenants/acme/pause", json={"reason": "x"})
    await stepped.api.post("/tenants/acme/refresh")
    await stepped.until_quiet()
    assert await refreshes(stepped) == []
    await stepped.api.post("/tenants/acme/resume", json={"reason": "x"})
    await stepped.until_quiet()
    assert await refreshes(stepped) == ["succeeded"]


async def test_refresh_of_a_stalled_tenant_waits_for_a_retry(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.until_quiet()
    await stepped.apply(domains=[{"name": "acme.example", "dmarc": "reject"}])
    stepped.cloud.failures = [REFUSED.shown()]
    await stepped.until_quiet()
    await stepped.api.post("/tenants/acme/refresh")
    await stepped.until_quiet()
    assert await refreshes(stepped) == []
    await stepped.api.post("/tenants/acme/retry")
    await stepped.until_quiet()
    assert await refreshes(stepped) == ["succeeded"]
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_tenant_that_is_created_now_needs_no_refresh(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.api.post("/tenants/acme/refresh")
    await stepped.until_quiet()
    stepped.clock.advance(hours=7)
    assert await stepped.step()
    kinds = [kind for kind, _, _ in await stepped.operations() if kind in ("create", "refresh")]
    assert kinds == ["create"]


async def test_tenant_that_is_being_deleted_is_not_refreshed(operator: Any) -> None:
    await create(operator)
    await operator.delete("/tenants/acme")
    refused = await operator.post("/tenants/acme/refresh")
    assert_shows(refused.json(), faults.TENANT_DELETING, name="acme")


async def test_only_operators_refresh(operator: Any, client_of: Any) -> None:
    tenant = await client_of((await create(operator))["id"])
    assert_shows((await tenant.post("/tenants/acme/refresh")).json(), faults.OPERATORS_ONLY)
    missing = await operator.post("/tenants/none/refresh")
    assert_shows(missing.json(), faults.NOT_FOUND, name="none")
