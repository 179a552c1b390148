"""Tenants by labels and by reasons, and trying them again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from controlplane import faults
from controlplane.ansible.faults import HOST_KEY_CHANGED
from controlplane.conditions import repository as conditions
from controlplane.conditions.model import Conditions, bad, ok
from controlplane.database import CONTROLLER, OPERATOR, Database
from controlplane.tenants.repository import SQL
from controlplane.tenants.selectors import parameters, read
from tests.integration.controlplane.conftest import Clock, document
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows

__all__ = ["stepped"]
LABELS: dict[str, dict[str, str]] = {
    "a1": {"team": "mail", "tier": "1"},
    "b2": {"team": "web", "tier": "1"},
    "c3": {"team": "mail"},
    "d4": {},
}


@pytest.fixture
async def four(operator: Any) -> dict[str, str]:
    """Tenants with labels; their ids."""
    ids = {}
    for name, labels in LABELS.items():
        body = document(name) | {"metadata": {"name": name, "labels": labels}}
        ids[name] = (await operator.post("/tenants", json=body)).json()["id"]
    return ids


async def names(client: Any, **query: Any) -> list[str]:
    answer = await client.get("/tenants", params=query)
    assert answer.status_code == 200, answer.text
    return [tenant["name"] for tenant in answer.json()["items"]]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("team=mail", ["a1", "c3"]),
        ("team!=mail", ["b2", "d4"]),
        ("team in (mail, web)", ["a1", "b2", "c3"]),
        ("team notin (mail, web)", ["d4"]),
        ("tier", ["a1", "b2"]),
        ("!tier", ["c3", "d4"]),
        ("team=mail,tier=1", ["a1"]),
        ("team=mail,team=web", []),
        ("team in (mail,web),tier!=1", ["c3"]),
        ("none", []),
    ],
)
async def test_tenants_are_selected_by_their_labels(operator, four, selector, expected) -> None:
    assert await names(operator, selector=selector) == expected


async def test_selection_is_paged_and_what_is_given_is_all_true(operator, four) -> None:
    first = (await operator.get("/tenants", params={"selector": "team", "limit": 2})).json()
    assert [tenant["name"] for tenant in first["items"]] == ["a1", "b2"]
    assert await names(operator, selector="team", cursor=first["next"]) == ["c3"]
    assert await names(operator, selector="tier", label="team=mail") == ["a1"]


async def test_tenants_key_selects_its_own_only(client_of, four) -> None:
    tenant = await client_of(four["c3"])
    assert await names(tenant, selector="team=mail") == ["c3"]
    assert await names(tenant, selector="tier") == []


async def test_tenants_are_found_by_a_reason(operator, client_of, four, pools, clock) -> None:
    for name, verdict in (("a1", bad("DnsMissing", "")), ("b2", ok("DnsMissing"))):
        made = Conditions([], generation=1, clock=clock)
        made.set("domain/x.example", "DnsReady", verdict)
        async with pools.begin(CONTROLLER) as connection:
            await conditions.save(connection, UUID(four[name]), made.take_changes()[0])
    assert await names(operator, reason="DnsMissing") == ["a1"]
    assert await names(operator, reason="dns.missing") == ["a1"]
    assert await names(operator, reason="dns.missing", selector="team=mail") == ["a1"]
    assert await names(operator, reason="dns.missing", selector="team=web") == []
    assert await names(operator, reason="dns.none") == []
    assert await names(await client_of(four["b2"]), reason="dns.missing") == []


async def test_list_without_parts_has_the_conditions_of_tenants_only(
    operator, four, pools, clock
) -> None:
    made = Conditions([], generation=1, clock=clock)
    for subject in ("tenant", "host/mx1"):
        made.set(subject, "Ready", ok("Ready"))
    async with pools.begin(CONTROLLER) as connection:
        await conditions.save(connection, UUID(four["a1"]), made.take_changes()[0])
    for query, subjects in (("", ["host/mx1", "tenant"]), ("?parts=false", ["tenant"])):
        [first, *_] = (await operator.get(f"/tenants{query}")).json()["items"]
        assert [condition["subject"] for condition in first["conditions"]] == subjects


async def test_stalled_tenant_is_tried_again(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    stepped.cloud.failures = [HOST_KEY_CHANGED.shown()]
    await stepped.step()
    assert await stepped.condition("Stalled") == ("True", HOST_KEY_CHANGED.reason)
    await stepped.until_quiet()
    assert await stepped.condition("Stalled") == ("True", HOST_KEY_CHANGED.reason)
    answer = await stepped.api.post("/tenants/acme/retry")
    assert (answer.status_code, answer.json()["generation"]) == (200, 2)
    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert (await stepped.api.post("/tenants/acme/retry")).json()["generation"] == 2
    assert await stepped.step(), "a tenant that is Ready is looked at, too"


async def test_stalled_deletion_is_tried_again(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.until_quiet()
    await stepped.api.delete("/tenants/acme")

    def fail() -> None:
        raise HOST_KEY_CHANGED.shown()

    stepped.points.once("before destroy", fail)
    await stepped.step()
    assert await stepped.condition("Stalled") == ("True", HOST_KEY_CHANGED.reason)
    assert (await stepped.api.post("/tenants/acme/retry")).json()["deleting"]
    await stepped.step()
    assert (await stepped.api.get("/tenants/acme")).status_code == 404


async def test_tenant_is_tried_again_by_those_who_may_change_it(client_of, four) -> None:
    own = await client_of(four["a1"])
    assert (await own.post("/tenants/a1/retry")).status_code == 200
    refused = await own.post("/tenants/b2/retry")
    assert_shows(refused.json(), faults.NOT_FOUND, name="b2")
    reader = await client_of(None, ("tenants:read",))
    refused = await reader.post("/tenants/a1/retry")
    assert_shows(refused.json(), faults.SCOPE_MISSING, scope="tenants:write")


async def test_rare_label_and_rare_reason_are_found_by_an_index(
    pools: Database, upgraded: str, four: dict[str, str], clock: Clock
) -> None:
    with psycopg.connect(upgraded) as admin:
        admin.execute(
            "insert into oltp.tenants (id, name, generation, document, created_at, updated_at) "
            "select gen_random_uuid(), 't' || n, 1, jsonb_set(document, '{metadata,labels}', "
            "jsonb_build_object('customer', 'c' || n)), now(), now() "
            "from generate_series(1, 3000) as n, oltp.tenants where name = 'd4'"
        )
        admin.execute(
            "insert into oltp.conditions (tenant_id, subject, type, status, reason, message, "
            "observed_generation, last_transition_at) "
            "select id, 'tenant', type, 'True', 'R' || substr(name, 2), '', 1, now() "
            "from oltp.tenants, unnest(array['A', 'B', 'C', 'D']) as type"
        )
        admin.execute("analyze oltp.conditions, oltp.tenants")
    page = {"after": "", "limit": 21, "reason": "R7"}
    labels = parameters(list(read("customer=c7")))
    for query, values in ((SQL.page_with_labels, page | labels), (SQL.page_with_reason, page)):
        async with pools.begin(OPERATOR) as connection:
            explained = await connection.execute(text(f"explain (format json) {query}"), values)
            [plan] = explained.scalar_one()
        scans = {(node["Node Type"], node.get("Relation Name")) for node in nodes(plan["Plan"])}
        assert ("Seq Scan", "conditions") not in scans, plan
        if query is SQL.page_with_labels:
            assert ("Bitmap Heap Scan", "tenants") in scans, plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan, and those below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
