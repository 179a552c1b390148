"""What a document no longer wants is kept until its hosts have sent all mail."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER
from controlplane.reconciler.faults import DRAINING
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows
from tests.support.points import killed

__all__ = ["stepped"]


def host(name: str, addresses: int = 2) -> dict[str, Any]:
    return {"name": name, "size": "business", "addresses": addresses, "zone": "acme.example"}


async def published(stepped: SteppedReconciler) -> dict[str, bool]:
    """Return for each address that the sender knows whether it drains."""
    async with stepped.database.begin(CONTROLLER) as connection:
        entry = await connection.scalar(text("select document from directory.entries"))
    return {a["name"]: a["draining"] for a in entry["addresses"]} if entry else {}


async def revision(stepped: SteppedReconciler) -> int:
    async with stepped.database.begin(CONTROLLER) as connection:
        return int(await connection.scalar(text("select revision from directory.entries")))


def addresses(stepped: SteppedReconciler) -> list[str]:
    """Return the addresses that exist."""
    hosts = stepped.cloud.state("acme").hosts
    return [address.name for host in hosts for address in host.addresses]


async def found(stepped: SteppedReconciler, kind: str, name: str) -> list[str]:
    """Return the parts that are shown for a name."""
    items = (await stepped.api.get(f"/{kind}", params={"name": name})).json()["items"]
    return [item["name"] for item in items]


async def events(stepped: SteppedReconciler) -> list[tuple[str, str, str]]:
    page = (await stepped.api.get("/events", params={"limit": 1000})).json()
    return [
        (e["subject"], e["reason"], e["message"]) for e in page["items"] if e["kind"] == "draining"
    ]


async def test_addresses_are_kept_until_their_mail_is_sent(stepped: SteppedReconciler) -> None:
    await stepped.apply(hosts=[host("mx1", 4)])
    await stepped.step()
    ip = stepped.cloud.state("acme").hosts[0].addresses[2].ip
    stepped.spools.queue_ids = {"mx1-3": {"4bXyZ"}}
    await stepped.apply(hosts=[host("mx1", 2)])
    blueprint = (await stepped.api.get("/tenants/acme/blueprint")).json()
    assert len(blueprint["hosts"][0]["addresses"]) == 4, "also for a run by hand before the pass"
    stepped.points.kill("after up")
    with killed():
        await stepped.step()
    await stepped.end_leases()
    assert await published(stepped) == {"mx1-2": False, "mx1-3": True, "mx1-4": True}
    stepped.clock.advance(minutes=2)
    await stepped.step()
    assert addresses(stepped) == ["mx1-1", "mx1-2", "mx1-3", "mx1-4"], "removed by the next pass"
    await stepped.step()
    assert addresses(stepped) == ["mx1-1", "mx1-2", "mx1-3"]
    assert await published(stepped) == {"mx1-2": False, "mx1-3": True}
    assert await stepped.condition("Ready") == ("True", "Ready")
    drained = await stepped.shown_condition("Drained")
    assert (drained["status"], drained["reason"]) == ("False", "Draining")
    assert drained["message"].startswith("address/mx1-3: 1 mail on its host, released 20")
    listed = (await stepped.api.get("/addresses", params={"name": "mx1-3"})).json()["items"]
    assert [(a["draining"], a["sends_bulk"]) for a in listed] == [(True, True)]

    await stepped.apply(hosts=[host("mx1", 3)])
    await stepped.step()
    assert await published(stepped) == {"mx1-2": False, "mx1-3": False}, "it is wanted again"
    assert await stepped.condition("Drained") == ("True", "NothingKept")
    await stepped.apply(hosts=[host("mx1", 2)])
    await stepped.step()
    assert stepped.cloud.state("acme").hosts[0].addresses[2].ip == ip
    stepped.configurator.dead.add("mx1")
    stepped.spools.dead.add("mx1")
    stepped.spools.queue_ids.clear()
    stepped.clock.advance(minutes=6)
    await stepped.step()
    assert "mx1-3" in addresses(stepped), "a host that cannot be asked may have mail"
    stepped.configurator.dead.clear()
    stepped.spools.dead.clear()
    await stepped.until_quiet()
    assert addresses(stepped) == ["mx1-1", "mx1-2"]
    assert await published(stepped) == {"mx1-2": False}
    assert await stepped.condition("Drained") == ("True", "NothingKept")
    assert len(stepped.cloud.account.bought) == 1
    reasons = [(subject, reason) for subject, reason, _ in await events(stepped)]
    assert reasons == [
        ("address/mx1-3", "Draining"),
        ("address/mx1-4", "Draining"),
        ("address/mx1-4", "Drained"),
        ("address/mx1-3", "Draining"),
        ("address/mx1-3", "Drained"),
    ]


async def test_host_is_kept_until_the_mail_of_its_people_is_sent(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(hosts=[host("mx1"), host("mx2")])
    await stepped.step()
    stepped.spools.of_people = {"mx1": {"9aBcD"}, "mx2": {"9aBcE"}}
    await stepped.apply(hosts=[host("mx2")])
    await stepped.until_quiet()
    drained = await stepped.shown_condition("Drained")
    assert drained["message"].startswith(
        "address/mx1-2: 1 mail of people in Mailu's queue, released"
    )
    assert "mx1-2" in addresses(stepped)
    stepped.spools.of_people.clear()
    await stepped.until_quiet()
    assert addresses(stepped) == ["mx2-1", "mx2-2"]


async def test_address_of_a_host_that_stays_does_not_wait_for_mail_of_people(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(hosts=[host("mx1", 3)])
    await stepped.step()
    stepped.spools.of_people = {"mx1": {"9aBcD"}}
    await stepped.apply(hosts=[host("mx1", 2)])
    await stepped.until_quiet()
    assert addresses(stepped) == ["mx1-1", "mx1-2"]


async def test_deleted_tenant_is_kept_until_the_mail_of_its_people_is_sent(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(hosts=[host("mx1")])
    await stepped.step()
    stepped.spools.of_people = {"mx1": {"9aBcD"}}
    assert (await stepped.api.delete("/tenants/acme")).is_success
    await stepped.until_quiet(passes=3)
    assert addresses(stepped) == ["mx1-1", "mx1-2"]
    stepped.spools.of_people.clear()
    await stepped.until_quiet()
    assert addresses(stepped) == []


async def test_host_is_kept_for_at_most_48_hours(stepped: SteppedReconciler) -> None:
    await stepped.apply(hosts=[host("mx1"), host("mx2")])
    await stepped.step()
    stepped.spools.queue_ids = {"mx1-2": {"4bXyZ", "4bXyA"}}
    stepped.configurator.dead.add("mx1")
    await stepped.apply(hosts=[host("mx2"), host("mx3")])
    assert await found(stepped, "hosts", "mx1") == ["mx1"], "before a pass"
    await stepped.until_quiet(passes=3)
    assert await found(stepped, "hosts", "mx1") == ["mx1"]
    assert await found(stepped, "addresses", "mx1-2") == ["mx1-2"]
    assert await found(stepped, "hosts", "mx4") == []
    assert addresses(stepped) == ["mx2-1", "mx2-2", "mx3-1", "mx3-2", "mx1-1", "mx1-2"]
    assert await published(stepped) == {"mx2-2": False, "mx3-2": False, "mx1-2": True}
    assert await stepped.condition("Ready") == ("True", "Ready"), "whatever mx1 does"
    assert (await stepped.condition("Ready", "host/mx1"))[0] != "True"
    before = await revision(stepped)
    stepped.clock.advance(minutes=6)
    await stepped.step()
    assert await revision(stepped) == before, "it is not opened in between"
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.draining set since = since - interval '48 h'"))
    await stepped.until_quiet()
    assert addresses(stepped) == ["mx2-1", "mx2-2", "mx3-1", "mx3-2"]
    assert await found(stepped, "hosts", "mx1") == []
    subject, reason, message = (await events(stepped))[-1]
    assert (subject, reason) == ("address/mx1-2", "MailLost")
    assert "2 mails on its host, of which 0 are marked address_released" in message
    assert len(stepped.cloud.account.bought) == 3


async def test_renamed_host_is_kept_until_its_successor_is_configured(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(hosts=[host("mx1")])
    await stepped.step()
    stepped.configurator.dead.add("mx2")
    await stepped.apply(hosts=[host("mx2")])
    await stepped.until_quiet(passes=4)
    assert addresses(stepped) == ["mx2-1", "mx2-2", "mx1-1", "mx1-2"]
    drained = await stepped.shown_condition("Drained")
    assert drained["message"].startswith("address/mx1-2: host/mx2 not configured yet, released 20")
    stepped.configurator.dead.clear()
    await stepped.until_quiet()
    assert addresses(stepped) == ["mx2-1", "mx2-2"]
    assert (await events(stepped))[-1][1] == "Drained"
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_successor_that_is_never_configured_keeps_a_host_for_48_hours(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(hosts=[host("mx1")])
    await stepped.step()
    stepped.configurator.dead.add("mx2")
    await stepped.apply(hosts=[host("mx2")])
    await stepped.step()
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.draining set since = since - interval '48 h'"))
    await stepped.until_quiet(passes=4)
    assert addresses(stepped) == ["mx2-1", "mx2-2"]
    assert (await events(stepped))[-1][1] == "Drained", "no mail was lost"


@pytest.mark.parametrize("now", [False, True])
async def test_deletion_waits_for_mail_unless_an_operator_does_not(
    stepped: SteppedReconciler, *, now: bool
) -> None:
    await stepped.apply(hosts=[host("mx1"), host("mx2", 1)])
    await stepped.step()
    stepped.spools.queue_ids = {"mx2-1": {"4bXyZ"}}
    await stepped.api.delete("/tenants/acme")
    if now:
        body = {"reason": "it is not needed"}
        assert (await stepped.api.post("/tenants/acme/release", json=body)).status_code == 200
    else:
        for _ in range(2):
            await stepped.step()
            stepped.clock.advance(minutes=6)
        assert addresses(stepped) == ["mx1-1", "mx1-2", "mx2-1"]
        shown = await stepped.shown_condition("Reconciling")
        assert_shows(shown, DRAINING, what=...)
        assert "address/mx2-1: 1 mail on its host, released 20" in shown["message"]
        assert await stepped.condition("Drained") == ("False", "Draining")
        stepped.spools.queue_ids.clear()
    stepped.points.kill("before destroy")
    with killed():
        await stepped.step()
    await stepped.end_leases()
    stepped.spools.dead |= {"mx1", "mx2"}  # some hosts may be gone by now
    stepped.clock.advance(minutes=2)
    await stepped.step()
    assert (await stepped.api.get("/tenants/acme")).status_code == 404
    assert stepped.cloud.account.servers == {}
    assert len(stepped.cloud.account.bought) == 2
    assert [reason for _, reason, _ in await events(stepped)][-1] == (
        "MailLost" if now else "Drained"
    )
