"""The list of what is to be done: pages, rights, and its cost with many tenants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from controlplane import faults
from controlplane.conditions import repository as conditions
from controlplane.conditions.model import Condition, Conditions, ask_of, bad, ok
from controlplane.database import CONTROLLER, OPERATOR, Database
from controlplane.todo.repository import LAST, SQL, Position
from kit.faults import Actor
from tests.integration.controlplane.conftest import Clock, create
from tests.support.faults import assert_shows

MANY = 10_000


def asking(clock: Clock, *subjects: str) -> list[Condition]:
    """Conditions that ask for an address, and one that asks for nothing."""
    made = Conditions([], generation=1, clock=clock)
    for subject in subjects:
        ask = ask_of(Actor.OPERATOR, "buy it")
        made.set(
            subject, "InfrastructureReady", bad("WaitingForProvider", "no IP; buy it", ask=ask)
        )
        made.set(subject, "Ready", ok("Ready"))
    return made.take_changes()[0]


@pytest.fixture
async def two(operator: Any, pools: Database, clock: Clock) -> dict[str, str]:
    """Two tenants, each with two addresses to buy."""
    ids = {}
    for name in ("bob", "acme"):
        ids[name] = (await create(operator, name))["id"]
        async with pools.begin(CONTROLLER) as connection:
            rows = asking(clock, "address/mx1-2", "address/mx1-3")
            await conditions.save(connection, UUID(ids[name]), rows)
    return ids


async def test_pages_have_every_row_once(operator: Any, two: dict[str, str]) -> None:
    seen, query = [], {"limit": "1"}
    while True:
        page = (await operator.get("/todo", params=query)).json()
        seen += [(row["tenant"], row["subject"], row["message"]) for row in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    parts = ("address/mx1-2", "address/mx1-3")
    assert seen == [(name, part, "no IP") for name in ("bob", "acme") for part in parts]


async def test_list_of_one_tenant_has_its_rows_only(
    operator: Any, client_of: Any, two: dict[str, str]
) -> None:
    own = (await operator.get("/todo?tenant=acme")).json()
    assert [row["tenant"] for row in own["items"]] == ["acme", "acme"]
    first = (await operator.get("/todo?tenant=acme&limit=1")).json()
    rest = (await operator.get("/todo", params={"tenant": "acme", "cursor": first["next"]})).json()
    assert first["items"] + rest["items"] == own["items"]
    tenant = await client_of(two["acme"])
    assert (await tenant.get("/todo")).json() == own
    assert (await tenant.get("/todo?tenant=acme")).json() == own
    for key, name in ((tenant, "bob"), (operator, "none")):
        refused = (await key.get(f"/todo?tenant={name}")).json()
        assert_shows(refused, faults.NOT_FOUND, name=name)


async def test_key_without_the_right_to_read_is_refused(client_of: Any) -> None:
    refused = await (await client_of(None, ())).get("/todo")
    assert_shows(refused.json(), faults.SCOPE_MISSING, scope="tenants:read")


async def test_page_reads_no_more_rows_than_it_shows(
    pools: Database, upgraded: str, two: dict[str, str]
) -> None:
    """With 10,000 tenants, of which each twentieth has something to do."""
    with psycopg.connect(upgraded) as admin:
        admin.execute(
            "insert into oltp.tenants (id, name, generation, document, created_at, updated_at) "
            "select gen_random_uuid(), 't' || n, 1, document, now(), now() "
            "from generate_series(1, %s) as n, oltp.tenants where name = 'acme'",
            [MANY],
        )
        admin.execute(
            "insert into oltp.conditions (tenant_id, subject, type, status, reason, message, "
            "observed_generation, last_transition_at, acts, remedy, asked_at) "
            "select id, 'tenant', type, 'False', 'R', '', 1, now(), "
            "case when asks then 'user' end, case when asks then 'do' end, "
            "case when asks then now() end "
            "from oltp.tenants, unnest(array['A', 'B', 'C', 'D']) as type, "
            "lateral (select type = 'A' and name like '%%5_' as asks) as asking "
            "where name like 't%%'"
        )
        admin.execute("analyze oltp.conditions, oltp.tenants")
    page = {**vars(Position()), "last_id": LAST, "reason": None, "limit": 21}
    async with pools.begin(OPERATOR) as connection:
        explained = text(f"explain (analyze, format json) {SQL.page}")
        [plan] = (await connection.execute(explained, page)).scalar_one()
    reads = [node for node in nodes(plan["Plan"]) if "Relation Name" in node]
    assert "Seq Scan" not in {node["Node Type"] for node in reads}, plan
    assert all(node["Actual Rows"] * node["Actual Loops"] <= 42 for node in reads), plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan, and those below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)
