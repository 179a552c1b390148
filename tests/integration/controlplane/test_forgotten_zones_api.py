"""Giving up records in zones that the token does not reach any more."""

from __future__ import annotations

from sqlalchemy import text

from blueprint import faults as document_faults
from controlplane import faults
from controlplane.database import CONTROLLER
from controlplane.tenants import repository
from tests.integration.controlplane.conftest import create
from tests.support.faults import assert_shows

PATH = "/tenants/acme/forget-zones"


async def test_zones_are_given_up_once_and_the_tenant_is_due(operator, pools, clock):
    acme = await create(operator, "acme")
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.schedule set due_at = 'infinity'"))
    for zones in (["beta.example"], ["acme.example", "beta.example"], ["acme.example"]):
        assert (await operator.post(PATH, json={"zones": zones})).status_code == 200
    async with pools.begin(CONTROLLER) as connection:
        due = (await connection.execute(text("select due_at from oltp.schedule"))).scalar_one()
        row = await repository.get(connection, acme["id"])
    assert row is not None
    assert due == clock()
    assert row.forgotten_zones == ["acme.example", "beta.example"]
    assert row.generation == 1
    events = (await operator.get("/events")).json()["items"]
    forgotten = [e for e in events if e["reason"] == "Forgotten"]
    assert [e["message"].split()[2] for e in forgotten] == ["beta.example,", "acme.example,"]
    assert all(e["actor"].startswith("pm_live_") for e in forgotten)


async def test_zones_that_are_given_up_again_request_a_pass_and_are_no_event(
    operator, pools, clock
):
    await create(operator, "acme")
    for _ in range(2):
        async with pools.begin(CONTROLLER) as connection:
            await connection.execute(text("update oltp.schedule set due_at = 'infinity'"))
        assert (await operator.post(PATH, json={"zones": ["acme.example"]})).status_code == 200
        async with pools.begin(CONTROLLER) as connection:
            due = (await connection.execute(text("select due_at from oltp.schedule"))).scalar_one()
        assert due == clock()
    events = (await operator.get("/events")).json()["items"]
    assert [e["reason"] for e in events].count("Forgotten") == 1


async def test_only_an_operator_gives_up_zones_and_only_by_their_names(operator, client_of):
    acme = await create(operator, "acme")
    client = await client_of(acme["id"])
    refused = await client.post(PATH, json={"zones": ["acme.example"]})
    assert_shows(refused.json(), faults.OPERATORS_ONLY)
    for zones in (None, [], ["acme"], "acme.example"):
        answer = await operator.post(PATH, json={"zones": zones})
        assert_shows(answer.json(), document_faults.INVALID, mistakes=...)
    unknown = await operator.post("/tenants/unknown/forget-zones", json={"zones": ["a.example"]})
    assert_shows(unknown.json(), faults.NOT_FOUND, name="unknown")
