"""Lists of hosts, addresses, domains and mailboxes: complete, ordered, of the key's tenant only."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER
from tests.integration.controlplane.conftest import document

KINDS = ("hosts", "addresses", "domains", "mailboxes")


def mailboxes(*names: str) -> dict[str, Any]:
    return {"mailboxes": [{"address": name} for name in names]}


@pytest.fixture
async def tenants(operator: httpx2.AsyncClient) -> dict[str, str]:
    """Two tenants, one of them with two hosts and eleven addresses, by name with their ids."""
    hosts = [
        {"name": "mx1", "size": "business", "addresses": 11, "zone": "acme.example"},
        {"name": "mx2", "addresses": 1},
    ]
    documents = [
        document("acme", hosts=hosts, **mailboxes("sales@acme.example", "info@acme.example")),
        document("zoo", **mailboxes("sales@zoo.example")),
    ]
    created = [(await operator.post("/tenants", json=body)).json() for body in documents]
    return {tenant["name"]: tenant["id"] for tenant in created}


async def listed(client: httpx2.AsyncClient, kind: str, **query: Any) -> list[dict[str, Any]]:
    """Return the items of all pages."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = await client.get(f"/{kind}", params={"cursor": cursor, **query})
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return items


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_addresses_of_all_tenants_are_listed_once_in_order_for_any_page_size(
    operator, tenants, limit
):
    parts = await listed(operator, "addresses", limit=limit)
    expected = [("acme", f"mx1-{n}") for n in range(1, 12)]
    expected += [("acme", "mx2-1"), ("zoo", "mx1-1"), ("zoo", "mx1-2")]
    assert [(part["tenant"], part["name"]) for part in parts] == expected


async def test_parts_of_each_kind_show_their_specification(operator, tenants):
    [host] = await listed(operator, "hosts", tenant="zoo")
    assert (host["size"], host["addresses"]) == ("business", ["mx1-1", "mx1-2"])
    assert (host["service_id"], host["conditions"]) == (None, [])
    [domain] = await listed(operator, "domains", tenant="zoo")
    assert (domain["name"], domain["dns"]) == ("zoo.example", "cloudflare")
    [mailbox] = await listed(operator, "mailboxes", tenant="zoo")
    assert (mailbox["name"], mailbox["domain"], mailbox["daily_cap"]) == (
        "sales@zoo.example",
        "zoo.example",
        50,
    )


@pytest.mark.parametrize(
    ("kind", "name", "tenants_with_it"),
    [
        ("hosts", "mx1", ["acme", "zoo"]),
        ("addresses", "mx1-11", ["acme"]),
        ("domains", "zoo.example", ["zoo"]),
        ("mailboxes", "sales@zoo.example", ["zoo"]),
        ("mailboxes", "Sales@ZOO.example", ["zoo"]),
        ("hosts", "mx9", []),
    ],
)
async def test_parts_filtered_by_name_have_that_name(
    operator, tenants, kind, name, tenants_with_it
):
    parts = await listed(operator, kind, name=name)
    assert [(part["tenant"], part["name"]) for part in parts] == [
        (tenant, name.lower()) for tenant in tenants_with_it
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_parts_listed_with_a_tenants_key_are_its_own(client_of, tenants, kind):
    client = await client_of(tenants["zoo"])
    assert {part["tenant"] for part in await listed(client, kind)} == {"zoo"}
    answer = await client.get(f"/{kind}", params={"tenant": "acme"})
    assert (answer.status_code, answer.json()["code"]) == (404, "resource.not_found")


async def test_parts_are_listed_with_their_conditions(operator, tenants, pools):
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(
            text(
                "insert into oltp.conditions select id, 'domain/zoo.example', 'Ready', 'False', "
                "'DnsMissing', 'no MX', 1, now() from oltp.tenants where name = 'zoo'"
            )
        )
    [domain] = await listed(operator, "domains", tenant="zoo")
    assert [(c["type"], c["reason"]) for c in domain["conditions"]] == [("Ready", "DnsMissing")]


async def test_address_observed_shows_its_ip(operator, tenants, pools):
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(
            text(
                "insert into oltp.conditions select id, 'address/mx1-1', 'InfrastructureReady', "
                "'True', 'Provisioned', '198.51.100.7', 1, now() from oltp.tenants "
                "where name = 'zoo'"
            )
        )
    parts = await listed(operator, "addresses", tenant="zoo")
    assert [(address["name"], address["ip"]) for address in parts] == [
        ("mx1-1", "198.51.100.7"),
        ("mx1-2", None),
    ]


async def test_events_of_an_unknown_tenant_are_refused(operator, tenants):
    answer = await operator.get("/events", params={"tenant": "nope"})
    assert (answer.status_code, answer.json()["code"]) == (404, "resource.not_found")


async def test_events_of_a_deleted_tenant_are_listed(operator, tenants, pools):
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(text("delete from oltp.tenants where name = 'zoo'"))
    answer = await operator.get("/events", params={"tenant": "zoo"})
    assert [event["reason"] for event in answer.json()["items"]] == ["Created"]
    query = {"tenant": "zoo", "cursor": answer.json()["next"]}
    assert (await operator.get("/events", params=query)).json()["items"] == []
