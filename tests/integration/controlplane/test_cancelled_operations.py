"""An operator cancels what runs for a tenant: it ends at a safe point, and nothing else begins."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane import faults
from controlplane.reconciler.cancellation import is_cancelled
from controlplane.reconciler.faults import OPERATION_CANCELLED, OPERATION_ENDED
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows
from tests.support.waiting import wait_for

__all__ = ["stepped"]
WHY = {"reason": "the wrong file"}


def cancel_at(stepped: SteppedReconciler, point: str) -> None:
    """Cancel what runs at a point of the engine."""

    async def cancel() -> None:
        answer = await stepped.api.post("/tenants/acme/cancel", json=WHY)
        [item] = answer.json()["items"]
        assert (item["phase"], item["outcome"]) == ("cloud", None)
        assert (item["cancelled_by"][:8], item["cancel_reason"]) == ("pm_live_", WHY["reason"])

    stepped.meanwhile(point, cancel)


def obey() -> None:
    """End as an engine does that is interrupted."""
    wait_for(is_cancelled)
    raise OPERATION_ENDED(reason="it was cancelled")


async def assert_waits_for_a_person(stepped: SteppedReconciler) -> None:
    """Assert that nothing is changed before a person says so, and that it then goes on."""
    shown: dict[str, Any] = {"actor": ..., "reason": WHY["reason"], "tenant": "acme"}
    assert_shows(await stepped.shown_condition("Stalled"), OPERATION_CANCELLED, **shown)
    [entry] = (await stepped.api.get("/todo")).json()["items"]
    assert (entry["reason"], entry["acts"]) == (OPERATION_CANCELLED.reason, "operator")
    ups, runs = stepped.cloud.ups, list(stepped.configurator.runs)
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert (stepped.cloud.ups, stepped.configurator.runs) == (ups, runs)
    assert (await stepped.api.post("/tenants/acme/retry", json={})).is_success
    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_cancelled_operation_is_aborted_with_who_and_why(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    cancel_at(stepped, "before up")
    stepped.points.once("bought", obey)
    assert await stepped.step()
    assert (await stepped.operations())[-1] == ("create", "aborted", OPERATION_CANCELLED.name)
    assert stepped.configurator.runs == []
    await assert_waits_for_a_person(stepped)
    assert len(stepped.cloud.account.bought) == 1
    events = (await stepped.api.get("/events", params={"tenant": "acme"})).json()["items"]
    [event] = [event for event in events if event["reason"] == "Cancelled"]
    assert (event["message"], event["actor"][:8]) == (WHY["reason"], "pm_live_")


async def test_operation_in_its_last_step_succeeds_and_no_other_begins_in_this_pass(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    cancel_at(stepped, "bought")
    stepped.points.once("after up", lambda: wait_for(is_cancelled))
    assert await stepped.step()
    assert (await stepped.operations())[-1] == ("create", "succeeded", OPERATION_CANCELLED.name)
    assert stepped.configurator.runs == []
    await stepped.until_quiet()
    assert (await stepped.condition("Stalled"))[1] == OPERATION_CANCELLED.reason
    assert (await stepped.api.post("/tenants/acme/retry", json={})).is_success
    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert len(stepped.cloud.account.bought) == 1


async def test_retry_while_the_cancelled_operation_still_ends_is_done_afterwards(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    cancel_at(stepped, "before up")

    async def retry() -> None:
        assert (await stepped.api.post("/tenants/acme/retry", json={})).is_success

    def obey_late() -> None:
        wait_for(is_cancelled)
        stepped.points("cancelled")
        raise OPERATION_ENDED(reason="it was cancelled")

    stepped.meanwhile("cancelled", retry)
    stepped.points.once("bought", obey_late)
    assert await stepped.step()
    assert (await stepped.operations())[-1] == ("create", "aborted", OPERATION_CANCELLED.name)
    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert len(stepped.cloud.account.bought) == 1


async def test_nothing_is_cancelled_where_nothing_runs(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    answer = await stepped.api.post("/tenants/acme/cancel", json=WHY)
    assert (answer.status_code, answer.json()) == (200, {"items": []})
    assert await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    events = (await stepped.api.get("/events", params={"tenant": "acme"})).json()["items"]
    assert "Cancelled" not in [event["reason"] for event in events]


async def test_only_operators_cancel(operator: Any, client_of: Any) -> None:
    tenant = await client_of((await create(operator))["id"])
    refused = (await tenant.post("/tenants/acme/cancel", json=WHY)).json()
    assert_shows(refused, faults.OPERATORS_ONLY)
    unknown = (await operator.post("/tenants/bob/cancel", json=WHY)).json()
    assert_shows(unknown, faults.NOT_FOUND, kind="tenant", name="bob", plural="tenants")


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "a\nb"}])
async def test_cancellation_without_a_reason_is_refused(operator: Any, body: Any) -> None:
    await create(operator)
    assert (await operator.post("/tenants/acme/cancel", json=body)).status_code == 422
