"""Lists of the API: labels, pages, operations and events of all tenants."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import event
from uuid_utils.compat import uuid7

from controlplane.database import CONTROLLER, OPERATOR
from controlplane.operations.repository import start
from tests.integration.controlplane.conftest import START, create, document


class TestLabels:
    async def test_tenants_filtered_by_labels_have_all_of_them(self, operator):
        for name, labels in (
            ("a1", {"team": "mail", "example.com/tier": "gold"}),
            ("b2", {"team": "mail"}),
            ("c3", {}),
        ):
            desired = document(name)
            desired["metadata"]["labels"] = labels
            await operator.put(f"/tenants/{name}", json=desired)

        async def names_with(*labels: str) -> list[str]:
            answer = await operator.get("/tenants", params={"label": list(labels)})
            return [item["name"] for item in answer.json()["items"]]

        assert await names_with() == ["a1", "b2", "c3"]
        assert await names_with("team=mail") == ["a1", "b2"]
        assert await names_with("team=mail", "example.com/tier=gold") == ["a1"]
        assert await names_with("team=mail", "team=web") == []
        assert (await operator.get("/tenants", params={"label": "team"})).status_code == 422

    async def test_label_malformed_is_refused_with_its_path(self, operator):
        wrong = document()
        wrong["metadata"]["labels"] = {"team": "no spaces", "-x": "y"}
        problem = (await operator.put("/tenants/acme", json=wrong)).json()
        assert {violation["path"] for violation in problem["violations"]} == {
            "metadata.labels.team",
            "metadata.labels.-x",
        }


async def test_pages_of_tenants_skip_and_repeat_none(operator):
    names = ["a1", "b2", "c3", "d4", "e5"]
    for name in names:
        await create(operator, name)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await operator.get("/tenants", params={"limit": 2, "cursor": cursor})).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert seen == names


async def test_tenants_listed_take_the_same_number_of_queries_for_any_count(operator, pools):
    queries = 0

    def count(*_: Any) -> None:
        nonlocal queries
        queries += 1

    async with pools.begin(OPERATOR) as connection:
        engine = connection.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    counts = []
    for name in ("a1", "b2", "c3"):
        await create(operator, name)
        queries = 0
        listed = (await operator.get("/tenants")).json()["items"]
        counts.append(queries)
    assert len(listed) == 3
    assert counts[0] == counts[2]


async def test_operations_of_all_tenants_are_newest_first(operator, client_of, pools):
    made = {name: await create(operator, name) for name in ("acme", "bob")}
    async with pools.begin(CONTROLLER) as connection:
        for number, name in enumerate(("acme", "bob", "acme")):
            await start(
                connection,
                id_=uuid7(),
                tenant_id=UUID(made[name]["id"]),
                tenant=name,
                kind=f"kind{number}",
                phase="cloud",
                generation=1,
                digest=None,
                now=START,
            )
    first = (await operator.get("/operations", params={"limit": 2})).json()
    rest = (await operator.get("/operations", params={"cursor": first["next"]})).json()
    assert [o["kind"] for o in first["items"] + rest["items"]] == ["kind2", "kind1", "kind0"]
    assert rest["next"] is None
    own = (await (await client_of(made["bob"]["id"])).get("/operations")).json()["items"]
    assert [o["kind"] for o in own] == ["kind1"]
    acme = (await operator.get("/tenants/acme/operations")).json()["items"]
    assert [o["kind"] for o in acme] == ["kind2", "kind0"]


class TestEvents:
    async def test_events_latest_are_of_all_tenants_or_of_one(self, operator):
        for name in ("acme", "bob", "carl"):
            await create(operator, name)
        latest = (await operator.get("/events", params={"latest": True, "limit": 2})).json()
        assert [event["tenant"] for event in latest["items"]] == ["bob", "carl"]
        one = await operator.get("/events", params={"latest": True, "limit": 2, "tenant": "acme"})
        assert [event["tenant"] for event in one.json()["items"]] == ["acme"]
