"""Limits on purchases: who may set them, how they are listed, and what goes on after them."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane import faults
from controlplane.limits.endpoints import REASON
from hostwinds.faults import LIMIT_REACHED
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows

__all__ = ["stepped"]
WHY = {"reason": "the budget"}


async def limits(client: Any, **query: Any) -> list[tuple[str, int | None, int | None]]:
    answer = await client.get("/platform/limits", params=query)
    assert answer.status_code == 200, answer.text
    return [
        (row["tenant"] or row["scope"], row["monthly_usd_cents"], row["orders_a_day"])
        for row in answer.json()["items"]
    ]


async def change(client: Any, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=WHY | body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_limits_are_listed_by_scope_with_who_and_why_until_they_are_removed(
    operator: Any,
) -> None:
    assert await limits(operator) == []
    await create(operator)
    await change(operator, "/tenants/acme/limits", monthly_usd_cents=5000)
    await change(operator, "/platform/limits", scope="tenants", monthly_usd_cents=2000)
    done = await change(operator, "/platform/limits", scope="platform", orders_a_day=10)
    assert (done["scope"], done["tenant"], done["reason"]) == ("platform", None, "the budget")
    assert done["actor"].startswith("pm_live_")
    await change(operator, "/platform/limits", scope="platform", monthly_usd_cents=90000)
    assert await limits(operator) == [
        ("platform", 90000, 10),
        ("tenants", 2000, None),
        ("acme", 5000, None),
    ]
    page = (await operator.get("/platform/limits", params={"limit": 2})).json()
    assert await limits(operator, cursor=page["next"]) == [("acme", 5000, None)]
    gone = await change(operator, "/tenants/acme/limits", monthly_usd_cents=None)
    assert (gone["scope"], gone["tenant"], gone["reason"]) == ("tenant", "acme", None)
    assert [scope for scope, *_ in await limits(operator)] == ["platform", "tenants"]
    events = (await operator.get("/events")).json()["items"]
    shown = [
        (event["tenant"], event["reason"], event["message"])
        for event in events
        if event["kind"] == "limits"
    ]
    assert shown[0] == ("acme", "LimitsSet", "50.00 USD a month, no limit of orders: the budget")
    assert shown[3] == (None, "LimitsSet", "900.00 USD a month, 10 orders a day: the budget")


@pytest.mark.parametrize("path", ["/platform/limits", "/tenants/acme/limits"])
async def test_only_operators_limit_purchases(operator: Any, client_of: Any, path: str) -> None:
    tenant = await client_of((await create(operator))["id"])
    body = {"scope": "platform"} | WHY if path.startswith("/platform") else WHY
    assert_shows((await tenant.post(path, json=body)).json(), faults.OPERATORS_ONLY)
    assert_shows((await tenant.get("/platform/limits")).json(), faults.OPERATORS_ONLY)
    reader = await client_of(None, ("tenants:read",))
    refused = (await reader.post(path, json=body)).json()
    assert_shows(refused, faults.SCOPE_MISSING, scope="tenants:write")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scope": "tenant"} | WHY,
        {"scope": "platform", "orders_a_day": 1},
        {"scope": "platform", "orders_a_day": -1} | WHY,
        {"scope": "platform", "monthly_usd_cents": 1.5} | WHY,
        {"scope": "platform", "monthly_usd_cents": 10**10} | WHY,
    ],
)
async def test_wrong_limits_are_refused(operator: Any, body: dict[str, Any]) -> None:
    answer = await operator.post("/platform/limits", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "document.invalid"
    assert await limits(operator) == []


async def test_limits_of_an_unknown_tenant_are_refused(operator: Any) -> None:
    refused = (await operator.post("/tenants/acme/limits", json=WHY)).json()
    assert_shows(refused, faults.NOT_FOUND, kind="tenant", name="acme", plural="tenants")


async def test_tenant_at_its_limit_is_listed_and_goes_on_after_it_is_raised(
    stepped: SteppedReconciler,
) -> None:
    assert LIMIT_REACHED.reason == REASON
    await stepped.apply()
    stepped.cloud.failures = [LIMIT_REACHED.shown()]
    await stepped.step()
    [row] = (await stepped.api.get("/todo")).json()["items"]
    assert (row["subject"], row["reason"], row["acts"]) == ("tenant", REASON, "operator")
    assert "penguin limits set tenant/acme --monthly 59.97" in row["remedy"]
    assert not await stepped.step()
    await stepped.api.post("/tenants/acme/limits", json=WHY | {"monthly_usd_cents": 9999})
    assert await stepped.step()
