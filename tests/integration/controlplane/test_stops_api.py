"""Stops through the API: rights, effect on messages, events."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from controlplane import faults
from controlplane.database import API
from controlplane.identity.keys import Scope
from tests.integration.controlplane.conftest import document
from tests.support.faults import assert_shows

WHY = {"reason": "complaints"}
MESSAGE = {"from": "sales@acme.example", "to": "bob@rcpt.example", "subject": "Hi", "text": "Hello"}
PLATFORM = {"scope": "platform"}
TENANT = {"scope": "tenant", "name": "acme"}
DOMAIN = {"scope": "domain", "name": "acme.example"}
ADDRESS = {"scope": "address", "name": "mx1-2"}
MAILBOX = {"scope": "mailbox", "name": "sales@acme.example"}
CAMPAIGN = {"scope": "campaign", "name": "autumn"}
QUEUE = {"scope": "queue", "name": "low"}
PROVIDER = {"scope": "provider", "name": "google"}


@pytest.fixture
async def acme(operator: httpx2.AsyncClient) -> dict[str, Any]:
    return dict((await operator.post("/tenants", json=document())).json())


@pytest.fixture
async def tenant(
    acme: dict[str, Any], client_of: Callable[..., Awaitable[httpx2.AsyncClient]]
) -> httpx2.AsyncClient:
    return await client_of(acme["id"])


async def stops_of(client: httpx2.AsyncClient, id_: str) -> list[tuple[str, str | None, str]]:
    stops = (await client.get(f"/messages/{id_}")).json()["stops"]
    return [(stop["scope"], stop["name"], stop["reason"]) for stop in stops]


@pytest.mark.parametrize(
    "target",
    [TENANT, DOMAIN, MAILBOX, CAMPAIGN, QUEUE, PROVIDER, ADDRESS],
    ids=lambda t: t["scope"],
)
async def test_stop_by_a_tenants_key_of_its_own_is_accepted_and_ended(tenant, target):
    stopped = await tenant.post("/stop", json=target | WHY)
    assert stopped.status_code == 200
    shown = stopped.json()
    assert (shown["tenant"], shown["reason"], shown["by_operator"]) == ("acme", "complaints", False)
    assert shown["actor"].startswith("pm_live_")
    assert (await tenant.get("/stops")).json()["items"] == [shown]
    started = await tenant.post("/start", json=target | {"reason": "resolved"})
    assert started.json() == {"changed": True, "stops": []}
    assert (await tenant.get("/stops")).json()["items"] == []


async def test_message_queued_shows_the_stop_at_once(operator, tenant):
    id_ = (await tenant.post("/messages", json=MESSAGE)).json()["id"]
    assert await stops_of(tenant, id_) == []
    for target in (DOMAIN, PLATFORM):
        await operator.post("/stop", json=target | WHY)
    expected = [("platform", None, "complaints"), ("domain", "acme.example", "complaints")]
    for client in (tenant, operator):
        assert await stops_of(client, id_) == expected
    started = await operator.post("/start", json=DOMAIN | WHY)
    assert [stop["scope"] for stop in started.json()["stops"]] == ["platform"]
    assert await stops_of(tenant, id_) == expected[:1]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (MAILBOX, {"from": "Sales+x@acme.example"}),
        (MAILBOX, {"from": "any@news.acme.example"}),  # of a catch-all
        ({"scope": "mailbox", "name": "SALES@Acme.example."}, {}),
        ({"scope": "domain", "name": "News.Acme.Example."}, {"from": "any@news.acme.example"}),
        ({"scope": "campaign", "name": "AUTUMN"}, {"campaign": "Autumn"}),
        ({"scope": "queue", "name": "LOW"}, {"priority": 151}),
    ],
)
async def test_message_shows_the_stop_that_holds_it_whatever_the_case(
    operator, client_of, target, message
):
    domains = [
        {"name": "acme.example"},
        {"name": "news.acme.example", "catch_all": "sales@acme.example"},
    ]
    created = await operator.post("/tenants", json=document(domains=domains))
    tenant = await client_of(created.json()["id"])
    stopped = await tenant.post("/stop", json=target | WHY)
    assert stopped.status_code == 200, stopped.text
    name = stopped.json()["name"]
    id_ = (await tenant.post("/messages", json=MESSAGE | message)).json()["id"]
    assert await stops_of(tenant, id_) == [(target["scope"], name, "complaints")]
    if target["scope"] != "mailbox":
        other = (await tenant.post("/messages", json=MESSAGE)).json()["id"]
        assert await stops_of(tenant, other) == []
    started = await tenant.post("/start", json=target | {"name": name.upper()} | WHY)
    assert started.json()["changed"]
    assert await stops_of(tenant, id_) == []


async def test_queue_of_all_tenants_is_stopped_by_operators_only(operator, tenant, client_of):
    bob = (await operator.post("/tenants", json=document("bob"))).json()
    other = await client_of(bob["id"])
    own = (await tenant.post("/stop", json=QUEUE | WHY)).json()
    assert (own["tenant"], own["by_operator"]) == ("acme", False)
    everybodys = (await operator.post("/stop", json=QUEUE | {"reason": "overload"})).json()
    assert everybodys["tenant"] is None
    low = {"priority": 500}
    id_ = (await tenant.post("/messages", json=MESSAGE | low)).json()["id"]
    assert {reason for *_, reason in await stops_of(tenant, id_)} == {"complaints", "overload"}
    of_bob = MESSAGE | low | {"from": "sales@bob.example"}
    id_ = (await other.post("/messages", json=of_bob)).json()["id"]
    assert await stops_of(other, id_) == [("queue", "low", "overload")]
    assert not (await other.post("/start", json=QUEUE | WHY)).json()["changed"]
    assert (await operator.post("/start", json=QUEUE | WHY)).json()["changed"]
    assert await stops_of(other, id_) == []


async def test_stop_of_what_left_the_document_can_be_ended(operator, tenant):
    for target in (MAILBOX, DOMAIN, ADDRESS):
        await tenant.post("/stop", json=target | WHY)
    host = {"name": "mx2", "size": "business", "zone": "other.example"}
    without = document(domain="other.example", hosts=[host])
    assert (await operator.put("/tenants/acme", json=without)).status_code == 200
    for target in (MAILBOX, DOMAIN, ADDRESS):
        started = await operator.post("/start", json=target | {"tenant": "acme"} | WHY)
        assert started.json()["changed"], target
        gone = await tenant.post("/stop", json=target | WHY)
        assert_shows(
            gone.json(), faults.NOT_FOUND, kind=target["scope"], name=target["name"], plural=...
        )


async def test_message_does_not_show_the_stop_of_another_tenant_or_domain(operator, tenant):
    await operator.post("/tenants", json=document("bob"))
    await operator.post("/stop", json={"scope": "tenant", "name": "bob"} | WHY)
    await operator.post("/stop", json=ADDRESS | {"tenant": "bob"} | WHY)
    id_ = (await tenant.post("/messages", json=MESSAGE)).json()["id"]
    assert await stops_of(operator, id_) == []
    listed = (await operator.get("/stops", params={"tenant": "acme"})).json()["items"]
    assert listed == []


async def test_stop_of_a_domain_ignores_case(tenant):
    stopped = await tenant.post("/stop", json={"scope": "domain", "name": "ACME.Example"} | WHY)
    assert stopped.json()["name"] == "acme.example"
    id_ = (await tenant.post("/messages", json=MESSAGE)).json()["id"]
    shouted = MESSAGE | {"from": "sales@Acme.EXAMPLE"}
    other = (await tenant.post("/messages", json=shouted)).json()["id"]
    for message in (id_, other):
        assert await stops_of(tenant, message) == [("domain", "acme.example", "complaints")]
    started = await tenant.post("/start", json={"scope": "domain", "name": "acme.EXAMPLE"} | WHY)
    assert started.json()["changed"]


@pytest.mark.parametrize("path", ["/stop", "/start"])
async def test_stop_of_the_platform_by_a_tenants_key_is_refused(operator, tenant, path):
    answer = await tenant.post(path, json=PLATFORM | WHY)
    assert answer.status_code == 403
    assert_shows(answer.json(), faults.OPERATORS_ONLY)
    assert (await operator.post(path, json=PLATFORM | WHY)).status_code == 200


async def test_stop_by_an_operator_is_not_ended_by_a_tenants_key(operator, tenant):
    await operator.post("/stop", json=DOMAIN | WHY)
    answer = await tenant.post("/start", json=DOMAIN | WHY)
    assert answer.status_code == 403
    assert_shows(answer.json(), faults.STOPPED_BY_OPERATOR, reason="complaints")
    stopped = (await tenant.post("/stop", json=DOMAIN | {"reason": "mine"})).json()
    assert (stopped["reason"], stopped["by_operator"]) == ("complaints", True)
    assert (await operator.post("/start", json=DOMAIN | WHY)).json()["changed"]


async def test_stop_beyond_a_tenants_rights_is_refused_by_the_database(operator, acme, pools):
    await operator.post("/stop", json=TENANT | WHY)
    async with pools.begin(API, tenant_id=acme["id"]) as connection:
        done = await connection.execute(text("delete from directory.stops"))
        assert done.rowcount == 0
    insert = (
        "insert into directory.stops values (gen_random_uuid(), 'platform', null, null, 'x', 'x', "
        "false, now())"
    )
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with pools.begin(API, tenant_id=acme["id"]) as connection:
            await connection.execute(text(insert))


@pytest.mark.parametrize(
    ("target", "kind", "plural", "named"),
    [
        ({"scope": "tenant", "name": "bob"}, "tenant", "tenants", "bob"),
        ({"scope": "domain", "name": "bob.example"}, "domain", "domains", "bob.example"),
        ({"scope": "address", "name": "mx1-3"}, "address", "addresses", "mx1-3"),
        ({"scope": "mailbox", "name": "b@acme.example"}, "mailbox", "mailboxes", "b@acme.example"),
        (
            {"scope": "mailbox", "name": "sales@bob.example"},
            "mailbox",
            "mailboxes",
            "sales@bob.example",
        ),
        ({"scope": "campaign", "name": "x", "tenant": "bob"}, "tenant", "tenants", "bob"),
        ({"scope": "queue", "name": "low", "tenant": "bob"}, "tenant", "tenants", "bob"),
        ({"scope": "address", "name": "mx1-2", "tenant": "bob"}, "tenant", "tenants", "bob"),
    ],
)
async def test_stop_of_what_the_key_may_not_see_is_not_found(
    operator, tenant, target, kind, plural, named
):
    await operator.post("/tenants", json=document("bob"))
    answer = await tenant.post("/stop", json=target | WHY)
    assert answer.status_code == 404
    assert_shows(answer.json(), faults.NOT_FOUND, kind=kind, plural=plural, name=named)
    assert (await operator.get("/stops")).json()["items"] == []


async def test_stop_of_an_address_by_an_operator_needs_its_tenant(operator, acme):
    answer = await operator.post("/stop", json=ADDRESS | WHY)
    assert answer.status_code == 422
    assert_shows(answer.json(), faults.TENANT_MISSING)
    stopped = await operator.post("/stop", json=ADDRESS | {"tenant": "acme"} | WHY)
    assert (stopped.json()["tenant"], stopped.json()["name"]) == ("acme", "mx1-2")


@pytest.mark.parametrize(
    "body",
    [
        TENANT,
        TENANT | {"reason": " "},
        {"scope": "everything"} | WHY,
        {"scope": "tenant", "name": "a\0b"} | WHY,
        {"scope": "tenant", "name": "\ud800"} | WHY,
        TENANT | {"reason": "\ud800"},
    ],
)
async def test_stop_without_one_target_and_a_reason_is_refused(operator, acme, body):
    headers = {"Content-Type": "application/json"}
    answer = await operator.post("/stop", content=json.dumps(body), headers=headers)
    assert answer.status_code == 422
    assert (await operator.get("/stops")).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"scope": "tenant"}, faults.STOP_NAME),
        (PLATFORM | {"name": "acme"}, faults.STOP_NAME),
        (TENANT | {"tenant": "acme"}, faults.STOP_TENANT),
        ({"scope": "queue", "name": "urgent"}, faults.STOP_FORM),
        ({"scope": "campaign", "name": "a b"}, faults.STOP_FORM),
        ({"scope": "provider", "name": "gmail"}, faults.STOP_FORM),
    ],
)
async def test_stop_whose_fields_do_not_go_together_is_refused(operator, acme, body, code):
    answer = await operator.post("/stop", json=body | WHY)
    [violation] = answer.json()["violations"]
    assert_shows(violation, code, **(body | {"remedy": ...} if code is faults.STOP_FORM else {}))
    assert (await operator.get("/stops")).json()["items"] == []


async def test_stop_with_a_reading_key_is_refused(acme, client_of):
    reader = await client_of(acme["id"], scopes=(Scope.TENANTS_READ,))
    answer = await reader.post("/stop", json=DOMAIN | WHY)
    assert answer.status_code == 403
    assert_shows(answer.json(), faults.SCOPE_MISSING)


async def test_stop_and_start_are_one_event_each_with_their_actor(operator, tenant):
    for _ in range(2):
        await operator.post("/stop", json=PLATFORM | WHY)
        await tenant.post("/stop", json=DOMAIN | WHY)
    for _ in range(2):
        await tenant.post("/start", json=DOMAIN | {"reason": "resolved"})

    async def recorded(client: httpx2.AsyncClient) -> list[tuple[Any, ...]]:
        events = (await client.get("/events")).json()["items"]
        assert all(e["actor"].startswith("pm_live_") for e in events if e["kind"] == "mail")
        keys = ("tenant", "subject", "reason", "message")
        return [tuple(e[key] for key in keys) for e in events if e["kind"] == "mail"]

    own = [
        ("acme", "domain/acme.example", "Stopped", "complaints"),
        ("acme", "domain/acme.example", "Started", "resolved"),
    ]
    assert await recorded(tenant) == own
    assert await recorded(operator) == [(None, "platform", "Stopped", "complaints"), *own]


async def test_start_without_a_stop_changes_nothing(operator, acme):
    answer = await operator.post("/start", json=TENANT | WHY)
    assert answer.json() == {"changed": False, "stops": []}


async def test_stops_are_listed_in_pages(operator, acme):
    targets = (TENANT, DOMAIN, PLATFORM)
    for target in targets:
        await operator.post("/stop", json=target | WHY)
    first = (await operator.get("/stops", params={"limit": 2})).json()
    last = (await operator.get("/stops", params={"limit": 2, "cursor": first["next"]})).json()
    scopes = [stop["scope"] for page in (first, last) for stop in page["items"]]
    assert scopes == ["platform", "domain", "tenant"]
    assert last["next"] is None
