"""Pausing a tenant through the API: permissions, events, and that the tenant becomes due."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from blueprint import faults as document_faults
from controlplane import faults
from controlplane.database import CONTROLLER
from tests.integration.controlplane.conftest import document
from tests.support.faults import assert_shows

WHY = {"reason": "the provider is being migrated"}


@pytest.fixture
async def acme(operator) -> str:
    return str((await operator.post("/tenants", json=document())).json()["id"])


async def test_pause_shows_reason_actor_and_time_until_resumed(operator, acme):
    paused = (await operator.post("/tenants/acme/pause", json=WHY)).json()["paused"]
    assert paused["reason"] == WHY["reason"]
    assert paused["actor"].startswith("pm_live_")
    assert (await operator.get("/tenants/acme")).json()["paused"] == paused
    resumed = await operator.post("/tenants/acme/resume", json={"reason": "migrated"})
    assert resumed.json()["paused"] is None
    assert (await operator.get("/tenants/acme")).json()["paused"] is None


async def test_pause_changed_is_an_event_with_its_actor(operator, acme, clock):
    for _ in range(2):
        await operator.post("/tenants/acme/pause", json=WHY)
        clock.advance(minutes=1)
    for _ in range(2):
        await operator.post("/tenants/acme/resume", json={"reason": "migrated"})
    events = (await operator.get("/events")).json()["items"]
    changes = [(e["reason"], e["message"]) for e in events if e["kind"] == "pause"]
    assert changes == [("Paused", WHY["reason"]), ("Resumed", "migrated")]
    assert all(e["actor"].startswith("pm_live_") for e in events if e["kind"] == "pause")


@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_pause_with_a_tenants_key_is_refused(client_of, acme, action):
    client = await client_of(acme)
    answer = await client.post(f"/tenants/acme/{action}", json=WHY)
    assert_shows(answer.json(), faults.OPERATORS_ONLY)


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "x" * 501}, {"why": "x"}])
async def test_pause_without_a_reason_is_refused(operator, acme, body):
    answer = await operator.post("/tenants/acme/pause", json=body)
    assert_shows(answer.json(), document_faults.INVALID, mistakes=...)
    assert (await operator.get("/tenants/acme")).json()["paused"] is None


async def test_pause_of_an_unknown_tenant_is_refused(operator):
    answer = await operator.post("/tenants/unknown/pause", json=WHY)
    assert_shows(answer.json(), faults.NOT_FOUND, name="unknown")


@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_pause_and_resume_make_the_tenant_due(operator, pools, clock, acme, action):
    if action == "resume":
        await operator.post("/tenants/acme/pause", json=WHY)
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.schedule set due_at = 'infinity'"))
    await operator.post(f"/tenants/acme/{action}", json=WHY)
    async with pools.begin(CONTROLLER) as connection:
        due = (await connection.execute(text("select due_at from oltp.schedule"))).scalar_one()
    assert due == clock()


async def test_document_of_a_paused_tenant_is_accepted(operator, acme):
    await operator.post("/tenants/acme/pause", json=WHY)
    answer = await operator.put("/tenants/acme", json=document(plan="enterprise"))
    assert answer.json()["generation"] == 2
    assert answer.json()["paused"]["reason"] == WHY["reason"]
