"""No tenant gets a domain in or around another tenant's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from blueprint.tenant import DomainSpec
from controlplane import faults
from controlplane.database import API, CONTROLLER, OPERATOR
from controlplane.tenants import claims, repository
from tests.integration.controlplane.conftest import create, document
from tests.support.faults import assert_shows

MANUAL = {"dns": "manual"}


def of(name: str, *domains: dict[str, Any]) -> dict[str, Any]:
    """A tenant's document with these domains, and a host in the platform's zone."""
    return document(name, hosts=[{"name": "mx1"}], domains=list(domains), mailboxes=[])


def domain(name: str, **more: str) -> dict[str, str]:
    return {"name": name, **more}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (domain("acme.example"), domain("acme.example")),
        (domain("acme.example"), domain("acme.example", **MANUAL)),
        (domain("acme.example"), domain("go.acme.example")),
        (domain("acme.example"), domain("go.acme.example", **MANUAL)),
        (domain("acme.example", **MANUAL), domain("x.go.acme.example", **MANUAL)),
        (domain("go.acme.example", **MANUAL), domain("acme.example", **MANUAL)),
        (domain("go.acme.example"), domain("to.acme.example")),
        (domain("go.acme.example", zone="acme.example"), domain("to.acme.example", **MANUAL)),
        (domain("to.acme.example", **MANUAL), domain("go.acme.example", zone="acme.example")),
        (domain("go.acme.co.uk"), domain("acme.co.uk")),
        (domain("xn--bcher-kva.example"), domain("go.xn--bcher-kva.example")),
    ],
)
async def test_domain_in_or_around_another_tenants_is_refused_without_its_owner(
    operator, theirs, ours
):
    assert (await operator.post("/tenants", json=of("theirs", theirs))).status_code == 201
    for path in ("/blueprints", "/tenants"):
        refused = await operator.post(path, json=of("ours", domain("ours.example"), ours))
        assert refused.status_code == 409
        assert_shows(refused.json(), faults.DOMAIN_TAKEN, domain=ours["name"])
        assert [v["path"] for v in refused.json()["violations"]] == ["spec.domains[1].name"]
        assert "theirs" not in refused.text
    assert (await operator.get("/tenants/ours")).status_code == 404


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (domain("acme.example"), domain("notacme.example")),
        (domain("acme.co.uk"), domain("globex.co.uk")),
        (domain("acme.github.io"), domain("globex.github.io")),
        (domain("go.acme.example", **MANUAL), domain("to.acme.example", **MANUAL)),
        (
            domain("go.acme.example", zone="go.acme.example"),
            domain("to.acme.example", zone="to.acme.example"),
        ),
    ],
)
async def test_domain_beside_another_tenants_is_accepted(operator, theirs, ours):
    for name, own in (("theirs", theirs), ("ours", ours)):
        answer = await operator.post("/tenants", json=of(name, own))
        assert answer.status_code == 201, answer.text


async def test_key_of_a_tenant_is_refused_domains_in_and_around_others(operator, client_of, pools):
    await operator.post("/tenants", json=of("theirs", domain("go.acme.example", **MANUAL)))
    mine = (await operator.post("/tenants", json=of("ours", domain("ours.example")))).json()
    client = await client_of(mine["id"])
    for name in ("acme.example", "x.go.acme.example", "go.acme.example"):
        desired = of("ours", domain("ours.example"), domain(name, **MANUAL))
        for refused in (
            await client.put("/tenants/ours", json=desired),
            await client.post("/blueprints", json=desired),
        ):
            assert_shows(refused.json(), faults.DOMAIN_TAKEN, domain=name)
            assert "theirs" not in refused.text
    own = of("ours", domain("ours.example"), domain("go.ours.example"), domain("x.go.ours.example"))
    assert (await client.post("/blueprints", json=own)).status_code == 200
    assert (await client.put("/tenants/ours", json=own)).status_code == 200
    async with pools.begin(API, tenant_id=mine["id"]) as connection:
        sought = DomainSpec(name="x.go.acme.example")
        assert await claims.claim(connection, mine["id"], [sought]) == {sought.name}
        seen = await connection.scalars(text("select name from oltp.domains"))
        assert set(seen) == {"ours.example", "go.ours.example", "x.go.ours.example"}


async def test_of_concurrent_claims_one_tenant_gets_the_domain(operator):
    for round_ in range(5):
        parent = f"r{round_}.example"
        names = [f"go.{parent}", parent, f"x.go.{parent}"]
        answers = await asyncio.gather(
            *(
                operator.post("/tenants", json=of(f"t{round_}x{n}", domain(name)))
                for n, name in enumerate(names)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


async def test_tenant_that_overlaps_already_can_be_edited_but_not_extended(operator, pools):
    await create(operator, "acme")
    other = await create(operator, "bob")
    async with pools.begin(OPERATOR) as connection:
        await connection.execute(
            text(
                "insert into oltp.domains values "
                "('go.acme.example', :id, 'acme.example', 'acme.example')"
            ),
            {"id": other["id"]},
        )
    spec = [domain("bob.example"), domain("go.acme.example")]
    assert (await operator.put("/tenants/bob", json=of("bob", *spec))).status_code == 200
    more = of("bob", *spec, domain("to.acme.example"))
    assert (await operator.put("/tenants/bob", json=more)).status_code == 409
    assert (await operator.post("/blueprints", json=more)).status_code == 409
    assert (await operator.post("/blueprints", json=of("bob", *spec))).status_code == 200


async def test_domain_given_up_is_free_when_its_records_are_gone(operator, pools):
    acme = await create(operator, "acme", domains=[domain("acme.example"), domain("old.example")])
    async with pools.begin(CONTROLLER) as connection:
        await repository.record_digest(connection, acme["id"], "sha256:1", cloud="sha256:2")
    assert (await operator.put("/tenants/acme", json=document("acme"))).status_code == 200
    thief = of("bob", domain("go.old.example"))
    assert (await operator.post("/tenants", json=thief)).status_code == 409

    async with pools.begin(CONTROLLER) as connection:
        await claims.release(connection, acme["id"], {"acme.example", "old.example"})
    assert (await operator.post("/tenants", json=thief)).status_code == 409
    async with pools.begin(CONTROLLER) as connection:
        await claims.release(connection, acme["id"], {"mx1-1"})
    assert (await operator.post("/tenants", json=thief)).status_code == 201
    kept = await operator.post("/tenants", json=of("eve", domain("acme.example")))
    assert kept.status_code == 409


async def test_domain_of_a_deleted_tenant_is_free_when_the_tenant_is_gone(operator, pools):
    acme = await create(operator, "acme")
    await operator.delete("/tenants/acme")
    changed = document("acme", plan="enterprise")
    assert_shows((await operator.post("/blueprints", json=changed)).json(), faults.TENANT_DELETING)
    assert (await operator.post("/blueprints", json=document("acme"))).status_code == 200
    thief = of("bob", domain("go.acme.example"))
    assert (await operator.post("/tenants", json=thief)).status_code == 409
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(
            text("delete from oltp.tenants where id = :id"), {"id": acme["id"]}
        )
    assert (await operator.post("/tenants", json=thief)).status_code == 201
