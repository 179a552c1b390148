"""Operators show and set warm-ups; each change is an event with its reason."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import pytest

from controlplane import faults
from controlplane.database import CONTROLLER, Database
from sender.directory import publish
from sender.policy.providers import NAMES
from tests.integration.controlplane.conftest import create
from tests.support.directory import ENTRY
from tests.support.faults import assert_shows

ADDRESS = {"kind": "address", "name": "198.18.1.2"}
WHY = {"reason": "it has sent for three years elsewhere"}


@pytest.fixture
async def acme(operator: httpx2.AsyncClient, pools: Database) -> dict[str, Any]:
    """A tenant that sends."""
    created = await create(operator)
    async with pools.begin(CONTROLLER) as connection:
        await publish(connection, tenant_id=UUID(created["id"]), entry=ENTRY)
    return created


@pytest.mark.parametrize(
    ("kind", "name", "cap"),
    [
        ("address", "198.18.1.2", 50),
        ("provider", "198.18.1.2/google", 50),
        ("domain", "Acme.Example", 20),
        ("mailbox", "sales@acme.example", 10),
    ],
)
async def test_subject_that_has_sent_nothing_is_on_its_first_day(acme, operator, kind, name, cap):
    shown = (await operator.get("/warmup", params={"kind": kind, "name": name})).json()
    assert (shown["day"], shown["cap"], shown["started"]) == (1, cap, None)
    assert (shown["tenant"], shown["name"]) == ("acme", name.lower())


async def test_day_that_an_operator_sets_is_shown_and_recorded(acme, operator):
    changed = await operator.post("/warmup", json=ADDRESS | {"day": 100} | WHY)
    assert changed.status_code == 200, changed.text
    shown = (await operator.get("/warmup", params=ADDRESS)).json()
    assert shown == changed.json()
    assert (shown["day"], shown["cap"], shown["good_days_to_target"]) == (100, 1200, 0)
    assert shown["set_reason"] == WHY["reason"]
    events = (await operator.get("/events", params={"tenant": "acme"})).json()["items"]
    [event] = [event for event in events if event["reason"] == "WarmUpSet"]
    assert event["subject"] == "address/198.18.1.2"
    assert event["message"] == f"day 100: {WHY['reason']}"
    assert event["actor"] == shown["set_by"]


@pytest.mark.parametrize(
    "subject",
    [
        {"kind": "address", "name": "198.18.1.9"},
        {"kind": "provider", "name": "198.18.1.2/nobody"},
        {"kind": "mailbox", "name": "eve@acme.example"},
    ],
    ids=lambda subject: subject["name"],
)
async def test_subject_that_nobody_sends_from_is_not_found(acme, operator, subject):
    for answer in (
        await operator.get("/warmup", params=subject),
        await operator.post("/warmup", json=subject | {"day": 2} | WHY),
    ):
        assert answer.status_code == 404
        assert_shows(answer.json(), faults.NO_WARM_UP, **subject, remedy=...)


async def test_warm_ups_of_a_tenant_are_listed_with_caps_and_holds(acme, operator):
    path = "/tenants/acme/warmup"
    held = ADDRESS | {"until": "2199-01-01T00:00:00Z", "reason": "the host is moved"}
    assert (await operator.post("/holds", json=held)).status_code == 200
    found = []
    query: dict[str, Any] = {"limit": 1}
    while query:
        page = (await operator.get(path, params=query)).json()
        found += page["items"]
        query = {"limit": 1, "cursor": page["next"]} if page["next"] else {}
    fields = ("kind", "name", "day", "cap", "daily_cap")
    assert [tuple(one[field] for field in fields) for one in found] == [
        ("address", "198.18.1.2", 1, 50, None),
        ("domain", "acme.example", 1, 20, None),
        ("mailbox", "sales@acme.example", 1, 10, 50),
    ]
    hold, *others = [one["hold"] for one in found]
    assert (hold["code"], hold["words"], hold["until"]) == (
        "held",
        "the host is moved",
        "2199-01-01T00:00:00Z",
    )
    assert others == [None, None]
    assert (await operator.get(path, params={"kind": "provider"})).json()["items"] == []
    await operator.post("/holds", json=held | {"kind": "provider", "name": "google"})

    done = (await operator.post(path, json={"day": 100} | WHY)).json()
    assert done == {
        "tenant": "acme",
        "day": 100,
        "addresses": 1,
        "providers": len(NAMES),
        "domains": 1,
        "mailboxes": 1,
    }
    of_mailbox = (await operator.get(path, params={"kind": "mailbox"})).json()["items"]
    assert [(one["day"], one["cap"]) for one in of_mailbox] == [(100, 150)]
    at_providers = (await operator.get(path, params={"kind": "provider", "limit": 100})).json()
    assert {one["cap"] for one in at_providers["items"]} == {1200}
    assert [one["name"] for one in at_providers["items"] if one["hold"]] == ["198.18.1.2/google"]
    events = (await operator.get("/events", params={"tenant": "acme"})).json()["items"]
    [event] = [event for event in events if event["reason"] == "WarmUpSet"]
    assert (event["subject"], event["message"]) == (
        "tenant",
        f"everything on day 100: {WHY['reason']}",
    )


async def test_tenant_of_which_nothing_sends_has_no_warm_up(operator):
    await create(operator, "idle")
    assert (await operator.get("/tenants/idle/warmup")).json() == {"items": [], "next": None}
    answer = await operator.post("/tenants/idle/warmup", json={"day": 2} | WHY)
    assert answer.status_code == 409
    assert_shows(answer.json(), faults.NOTHING_ACTIVE, name="idle")


async def test_key_of_a_tenant_neither_sees_nor_sets_a_warm_up(acme, client_of):
    tenant = await client_of(acme["id"])
    for answer in (
        await tenant.get("/warmup", params=ADDRESS),
        await tenant.post("/warmup", json=ADDRESS | {"day": 2} | WHY),
        await tenant.get("/tenants/acme/warmup"),
        await tenant.post("/tenants/acme/warmup", json={"day": 2} | WHY),
    ):
        assert answer.status_code == 403
        assert_shows(answer.json(), faults.OPERATORS_ONLY)


@pytest.mark.parametrize(
    "change",
    [{"day": 0}, {"day": 1001}, {"day": "2"}, {"reason": " "}, {"kind": "tenant"}, {"name": ""}],
    ids=str,
)
async def test_request_out_of_its_limits_is_refused(acme, operator, change):
    answer = await operator.post("/warmup", json=ADDRESS | {"day": 2} | WHY | change)
    assert answer.status_code == 422
