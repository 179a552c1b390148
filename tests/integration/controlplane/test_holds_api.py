"""Operators hold what mail counts against, for a time or until they end it; each is an event."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import pytest

from controlplane import faults
from controlplane.database import CONTROLLER, Database
from sender.directory import publish
from tests.integration.controlplane.conftest import create
from tests.support.directory import ENTRY
from tests.support.faults import assert_shows

GOOGLE = {"kind": "provider", "name": "google"}
LATER = "2199-01-01T00:00:00Z"
WHY = {"reason": "421 4.7.28 to every mail"}


@pytest.fixture
async def acme(operator: httpx2.AsyncClient, pools: Database) -> dict[str, Any]:
    """A tenant that sends."""
    created = await create(operator)
    async with pools.begin(CONTROLLER) as connection:
        await publish(connection, tenant_id=UUID(created["id"]), entry=ENTRY)
    return created


async def holds_of(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    items = (await client.get("/holds", params=query)).json()["items"]
    return [f"{hold['kind']}/{hold['name']}" for hold in items]


async def test_provider_is_held_for_all_tenants_until_an_operator_ends_it(acme, operator):
    held = (await operator.post("/holds", json=GOOGLE | {"until": LATER} | WHY)).json()
    assert (held["tenant"], held["code"], held["words"]) == (None, "held", WHY["reason"])
    assert (held["until"], held["acts"]) == (LATER, "operator")
    assert (await operator.get("/holds")).json()["items"] == [held]
    for changed in (True, False):
        ended = await operator.post("/holds/end", json=GOOGLE | {"reason": "it takes mail again"})
        assert ended.json() == {"changed": changed}
    assert await holds_of(operator) == []
    events = (await operator.get("/events")).json()["items"]
    of_holds = [event for event in events if event["subject"] == "provider/google"]
    assert [(event["reason"], event["message"]) for event in of_holds] == [
        ("Held", f"until {LATER}: {WHY['reason']}"),
        ("HoldEnded", "it takes mail again"),
    ]
    assert {event["actor"] for event in of_holds} == {held["actor"]}


async def test_holds_are_listed_by_pages_and_by_tenant(acme, operator):
    await create(operator, "other")
    subjects = ["address/198.18.1.2", "domain/acme.example", "mailbox/sales@acme.example"]
    subjects += ["provider/198.18.1.2/google", "provider/google", "tenant/acme", "tenant/other"]
    for subject in subjects:
        kind, _, name = subject.partition("/")
        shown = (await operator.post("/holds", json={"kind": kind, "name": name} | WHY)).json()
        assert (f"{shown['kind']}/{shown['name']}", shown["until"]) == (subject, None)
    assert sorted(await holds_of(operator)) == sorted(subjects)
    assert sorted(await holds_of(operator, tenant="acme")) == sorted(subjects[:-1])
    assert await holds_of(operator, tenant="other") == ["provider/google", "tenant/other"]
    first = (await operator.get("/holds", params={"limit": 4})).json()
    assert len(first["items"]) == 4
    second = (await operator.get("/holds", params={"limit": 4, "cursor": first["next"]})).json()
    assert (len(second["items"]), second["next"]) == (3, None)
    tenants = {hold["name"]: hold["tenant"] for hold in first["items"] + second["items"]}
    assert (tenants["198.18.1.2/google"], tenants["google"]) == ("acme", None)


async def test_hold_of_what_nobody_sends_from_any_more_can_be_ended(acme, operator, pools):
    address = {"kind": "address", "name": "198.18.1.2"}
    await operator.post("/holds", json=address | WHY)
    replaced = ENTRY.model_copy(update={"addresses": ()})
    async with pools.begin(CONTROLLER) as connection:
        await publish(connection, tenant_id=UUID(acme["id"]), entry=replaced)
    [held] = (await operator.get("/holds")).json()["items"]
    assert (held["name"], held["tenant"]) == ("198.18.1.2", None)
    assert (await operator.post("/holds/end", json=address | WHY)).json() == {"changed": True}


@pytest.mark.parametrize(
    ("kind", "name", "remedy"),
    [
        ("provider", "gogle", "name one of apple"),
        ("provider", "198.18.1.2/gogle", "name one of apple"),
        ("address", "198.18.9.9", "penguin warmup show"),
        ("mailbox", "eve@acme.example", "penguin warmup show"),
        ("tenant", "nobody", "penguin get tenants"),
    ],
)
async def test_what_no_mail_counts_against_cannot_be_held(acme, operator, kind, name, remedy):
    for path in ("/holds", "/holds/end"):
        answer = await operator.post(path, json={"kind": kind, "name": name} | WHY)
        assert answer.status_code == 404
        assert_shows(answer.json(), faults.NOTHING_TO_HOLD, kind=kind, name=name, remedy=...)
        assert remedy in answer.json()["remedy"]


async def test_hold_that_would_be_over_is_refused(acme, operator):
    over = GOOGLE | {"until": "2026-01-01T01:00:00+01:00"}
    answer = await operator.post("/holds", json=over | WHY)
    assert answer.status_code == 422
    assert_shows(answer.json(), faults.HOLD_PAST, until="2026-01-01T00:00:00Z")
    assert await holds_of(operator) == []


async def test_key_of_a_tenant_neither_sees_nor_changes_a_hold(acme, client_of):
    tenant = await client_of(acme["id"])
    for answer in (
        await tenant.get("/holds"),
        await tenant.post("/holds", json=GOOGLE | WHY),
        await tenant.post("/holds/end", json=GOOGLE | WHY),
    ):
        assert answer.status_code == 403
        assert_shows(answer.json(), faults.OPERATORS_ONLY)
