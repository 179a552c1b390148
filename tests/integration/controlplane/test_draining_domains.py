"""What mail needs of a domain that the document no longer has is kept until hosts have sent it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from controlplane import faults
from controlplane.database import CONTROLLER
from tests.integration.controlplane.conftest import document
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows
from tests.support.points import killed

__all__ = ["stepped"]

ACME, OLD = {"name": "acme.example"}, {"name": "old.example", "dmarc": "reject"}
KEPT = {"old.example/DMARC", "old.example/b/MX", "old.example/b/SPF", "old.example/DKIM/pm202611"}
MAIL = {"mx1-2": {"4bOld", "4bAcme"}}
"""What a host has, of both domains."""


def records(
    stepped: SteppedReconciler, tenant: str = "acme", domain: str = "old.example"
) -> set[str]:
    """Return the keys of a domain's records that exist."""
    found = stepped.cloud.state(tenant).records
    return {key for key in found if key.startswith(f"{domain}/")}


async def events(stepped: SteppedReconciler) -> list[tuple[str, str]]:
    page = (await stepped.api.get("/events", params={"limit": 1000})).json()
    return [
        (e["subject"], e["reason"])
        for e in page["items"]
        if e["kind"] == "draining" and e["subject"] != "tenant"
    ]


async def shown(stepped: SteppedReconciler, name: str = "old.example") -> list[bool]:
    """Return whether domains of a name are shown as draining."""
    page = (await stepped.api.get("/domains", params={"name": name})).json()
    return [item["draining"] for item in page["items"]]


async def given_up(stepped: SteppedReconciler, domain: dict[str, Any] = OLD) -> None:
    """Send from two domains, and take one out of the document while a host has mail of both."""
    await stepped.apply(domains=[ACME, domain])
    await stepped.step()
    assert await stepped.published() == {"acme.example": True, domain["name"]: True}
    stepped.spools.queue_ids = {address: set(ids) for address, ids in MAIL.items()}
    stepped.spools.return_paths = {"4bOld": f"b.{domain['name']}", "4bAcme": "b.acme.example"}
    await stepped.apply()


async def test_records_are_kept_until_the_mail_is_sent(stepped: SteppedReconciler) -> None:
    await given_up(stepped)
    blueprint = (await stepped.api.get("/tenants/acme/blueprint")).json()
    key = blueprint["keys"]["dkim"]["old.example"]["public_key"]
    [dkim] = [r for r in blueprint["records"] if r["key"] == "old.example/DKIM/pm202611"]
    assert dkim["content"].endswith(f"p={key}"), "also for a run by hand before the pass"
    assert await shown(stepped) == [True]
    stepped.points.kill("after up")
    with killed():
        await stepped.step()
    await stepped.end_leases()
    assert await stepped.published() == {"acme.example": True}, "no new mail leaves from it"
    stepped.clock.advance(minutes=2)
    await stepped.step()
    assert records(stepped) == KEPT
    drained = await stepped.shown_condition("Drained")
    assert (drained["status"], drained["reason"]) == ("False", "Draining")
    assert drained["message"].startswith("domain/old.example: 1 mail on hosts, released 20")
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert await shown(stepped) == [True]
    assert await shown(stepped, "acme.example") == [False]

    stepped.spools.dead.add("mx1")
    stepped.spools.queue_ids = {"mx1-2": {"4bAcme"}}
    stepped.clock.advance(minutes=6)
    await stepped.step()
    assert records(stepped) == KEPT, "a host that cannot be asked may have mail"
    message = (await stepped.shown_condition("Drained"))["message"]
    assert message.startswith("domain/old.example: host mx1 cannot be asked (")

    stepped.spools.dead.clear()
    await stepped.until_quiet()
    assert records(stepped) == set()
    assert await stepped.condition("Drained") == ("True", "NothingKept")
    assert await shown(stepped) == []
    assert await events(stepped) == [
        ("domain/old.example", "Draining"),
        ("domain/old.example", "Drained"),
    ]


@pytest.mark.parametrize("by_operator", [False, True])
async def test_domain_is_kept_for_48_hours_at_most_or_until_an_operator_decides(
    stepped: SteppedReconciler, *, by_operator: bool
) -> None:
    await given_up(stepped)
    await stepped.until_quiet(passes=3)
    assert records(stepped) == KEPT
    if by_operator:
        body = {"reason": "its owner has sold it"}
        assert (await stepped.api.post("/tenants/acme/release", json=body)).status_code == 200
    else:
        async with stepped.database.begin(CONTROLLER) as connection:
            await connection.execute(
                text("update oltp.draining_domains set since = since - interval '48 h'")
            )
    await stepped.until_quiet()
    assert records(stepped) == set()
    assert await events(stepped) == [
        ("domain/old.example", "Draining"),
        ("domain/old.example", "MailFails"),
    ]


async def test_domain_that_comes_back_stops_draining(stepped: SteppedReconciler) -> None:
    await given_up(stepped)
    before = (await stepped.api.get("/tenants/acme/blueprint")).json()["keys"]["dkim"]
    await stepped.step()
    await stepped.apply(domains=[ACME, OLD])
    assert await shown(stepped) == [False]
    await stepped.until_quiet(passes=3)
    assert await stepped.published() == {"acme.example": True, "old.example": True}
    assert await stepped.condition("Drained") == ("True", "NothingKept")
    assert records(stepped) > KEPT
    assert (await stepped.api.get("/tenants/acme/blueprint")).json()["keys"]["dkim"] == before


async def test_alias_of_a_manual_zone_leads_to_a_key_until_the_mail_is_sent(
    stepped: SteppedReconciler,
) -> None:
    await given_up(stepped, {"name": "old.example", "dns": "manual"})
    await stepped.step()
    assert records(stepped) == {"old.example/b/MX", "old.example/b/SPF", "old.example/DKIM/pm1"}
    stepped.spools.queue_ids.clear()
    await stepped.until_quiet()
    assert records(stepped) == set()


async def test_records_of_a_deleted_tenant_are_there_until_its_mail_is_sent(
    stepped: SteppedReconciler,
) -> None:
    await given_up(stepped)
    await stepped.step()
    await stepped.api.delete("/tenants/acme")
    for _ in range(2):
        await stepped.step()
        stepped.clock.advance(minutes=6)
    assert records(stepped) == KEPT
    assert "acme.example/DKIM/pm202611" in records(stepped, domain="acme.example")
    stepped.spools.queue_ids.clear()
    await stepped.step()
    assert (await stepped.api.get("/tenants/acme")).status_code == 404
    assert stepped.cloud.state("acme").records == {}


async def test_domain_without_mail_on_hosts_is_released_at_once(stepped: SteppedReconciler) -> None:
    await given_up(stepped)
    stepped.spools.queue_ids = {"mx1-2": {"4bAcme"}}
    await stepped.step()
    assert await stepped.condition("Drained") == ("False", "Released")
    await stepped.step()
    assert records(stepped) == set()


@pytest.mark.parametrize("by_tenant", [False, True])
async def test_domain_that_another_tenant_asks_for_is_free_after_one_pass(
    stepped: SteppedReconciler, client_of: Callable[..., Any], *, by_tenant: bool
) -> None:
    await given_up(stepped)
    await stepped.step()
    api = stepped.api
    hosts = [{"name": "mx1", "zone": "bob.example"}]
    mine = document("bob", hosts=hosts)
    wanted = document(
        "bob", hosts=hosts, domains=[{"name": "bob.example"}, {"name": "old.example"}]
    )
    if by_tenant:
        created = (await api.post("/tenants", json=mine)).json()
        api = await client_of(created["id"])
        await stepped.step()
    refused = await api.post("/blueprints", json=wanted)
    assert refused.status_code == 409
    assert records(stepped) == KEPT, "a question changes nothing"
    other = document("bob", hosts=hosts, domains=[*wanted["spec"]["domains"], ACME])
    assert (await api.put("/tenants/bob", json=other)).status_code == 409
    assert not await stepped.step(), "it would be refused all the same"
    assert_shows(
        (await api.put("/tenants/bob", json=wanted)).json(),
        faults.DOMAIN_TAKEN,
        domain="old.example",
    )
    await stepped.step()
    assert records(stepped) == set()
    assert (await events(stepped))[-1] == ("domain/old.example", "Claimed")
    assert (await api.put("/tenants/bob", json=wanted)).status_code in (200, 201)
    await stepped.until_quiet()
    assert "old.example/DKIM/pm202611" in records(stepped, "bob")
    assert records(stepped) == set(), "never records of both"
    assert await stepped.condition("Ready") == ("True", "Ready")
