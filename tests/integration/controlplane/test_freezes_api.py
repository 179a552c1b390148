"""Freezes of the platform: who may set them, who sees them, and what goes on after them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from controlplane import faults
from controlplane.database import API, CONTROLLER, Database
from controlplane.freezes.endpoints import REASON
from hostwinds.faults import FROZEN
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows

__all__ = ["stepped"]
PURCHASES = {"what": "purchases", "reason": "the bill is being checked"}


async def frozen(client: Any) -> dict[str, str]:
    answer = await client.get("/platform/freezes")
    assert answer.status_code == 200, answer.text
    return {row["what"]: row["reason"] for row in answer.json()["items"]}


async def test_freeze_is_listed_with_who_and_why_until_it_is_ended(
    operator: Any, client_of: Any
) -> None:
    assert await frozen(operator) == {}
    done = (await operator.post("/platform/freeze", json=PURCHASES)).json()
    [row] = done["items"]
    assert (row["what"], row["reason"]) == ("purchases", PURCHASES["reason"])
    assert row["actor"].startswith("pm_live_")
    again = await operator.post("/platform/freeze", json=PURCHASES | {"reason": "another"})
    assert again.json()["items"] == [row | {"reason": "another"}]
    await operator.post("/platform/freeze", json={"what": "destruction", "reason": "other"})
    tenant = await client_of((await create(operator))["id"])
    both = {"destruction": "other", "purchases": "another"}
    assert await frozen(tenant) == both
    for _ in range(2):
        thawed = await operator.post("/platform/unfreeze", json=PURCHASES | {"reason": "paid"})
        assert [row["what"] for row in thawed.json()["items"]] == ["destruction"]
    events = (await operator.get("/events")).json()["items"]
    shown = [(event["reason"], event["message"]) for event in events if event["kind"] == "freeze"]
    assert shown == [
        ("Frozen", "purchases: the bill is being checked"),
        ("Frozen", "purchases: another"),
        ("Frozen", "destruction: other"),
        ("Unfrozen", "purchases: paid"),
    ]


@pytest.mark.parametrize("path", ["/platform/freeze", "/platform/unfreeze"])
async def test_only_operators_freeze(operator: Any, client_of: Any, path: str) -> None:
    tenant = await client_of((await create(operator))["id"])
    assert_shows((await tenant.post(path, json=PURCHASES)).json(), faults.OPERATORS_ONLY)
    reader = await client_of(None, ("tenants:read",))
    refused = (await reader.post(path, json=PURCHASES)).json()
    assert_shows(refused, faults.SCOPE_MISSING, scope="tenants:write")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"what": "orders", "reason": "x"},
        {"what": "purchases"},
        {"what": "purchases", "reason": " "},
        {"what": "purchases", "reason": "a\nb"},
        {"what": "purchases", "reason": "x" * 501},
        {"what": ["purchases"], "reason": "x"},
        {"what": "purchases", "reason": "x", "until": "tomorrow"},
    ],
)
async def test_wrong_body_is_refused(operator: Any, body: dict[str, Any]) -> None:
    for path in ("/platform/freeze", "/platform/unfreeze"):
        answer = await operator.post(path, json=body)
        assert answer.status_code == 422
        assert answer.json()["code"] == "document.invalid"
    assert await frozen(operator) == {}


async def test_tenants_role_cannot_freeze_below_the_api(pools: Database, operator: Any) -> None:
    for role in (API, CONTROLLER):
        with pytest.raises(Exception, match="permission denied"):
            async with pools.begin(role) as connection:
                await connection.execute(text("delete from purchase.freezes"))


async def test_tenant_that_waits_for_a_freeze_is_listed_and_goes_on_after_it(
    stepped: SteppedReconciler,
) -> None:
    assert FROZEN.reason == REASON
    await stepped.api.post("/platform/freeze", json=PURCHASES)
    await stepped.apply()
    stepped.cloud.failures = [FROZEN.shown()]
    await stepped.step()
    [row] = (await stepped.api.get("/todo")).json()["items"]
    assert (row["subject"], row["reason"], row["acts"]) == ("tenant", REASON, "operator")
    assert row["remedy"] == FROZEN.shown().remedy
    assert not await stepped.step()
    await stepped.api.post("/platform/unfreeze", json=PURCHASES)
    assert await stepped.step()
    assert (await stepped.api.get("/todo")).json()["items"] == []
