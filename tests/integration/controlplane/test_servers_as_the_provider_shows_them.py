"""What a pass finds at the provider: another main address, and mail that is listed as spam."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from blueprint.naming import server_name
from controlplane.database import CONTROLLER
from controlplane.reconciler.faults import MAIN_ADDRESS_MOVED, SERVER_GONE, SPAM_LISTED
from controlplane.verification.faults import NO_BANNER
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows
from tests.support.installation import INSTALLATION

__all__ = ["stepped"]
LABEL = server_name(INSTALLATION, "acme", "mx1", 1)
ADDRESS = "address/mx1-1"
HOSTS = [{"name": "mx1", "size": "business", "addresses": 1, "zone": "acme.example"}]


@pytest.fixture
async def sending(stepped: SteppedReconciler) -> SteppedReconciler:
    """A tenant that has sent for a month from the main address of its only host."""
    await stepped.apply(hosts=HOSTS)
    assert await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    stepped.clock.advance(days=30)
    assert await stepped.step()
    return stepped


async def published(stepped: SteppedReconciler) -> dict[str, Any]:
    """Return the only address of the sender's directory."""
    async with stepped.database.begin(CONTROLLER) as connection:
        entry = (
            await connection.execute(text("select document from directory.entries"))
        ).scalar_one()
    [address] = entry["addresses"]
    return dict(address)


async def test_main_address_that_moved_is_adopted_and_warmed_up_from_the_first_day(
    sending: SteppedReconciler,
) -> None:
    before = await published(sending)
    moved = sending.cloud.account.move(LABEL)
    during: list[tuple[str, bool]] = []

    async def look() -> None:
        address = await published(sending)
        during.append((address["ip"], address["ready"]))

    sending.meanwhile("before up", look)
    sending.clock.advance(minutes=11)

    assert await sending.step()

    assert during == [(before["ip"], False)]
    after = await published(sending)
    assert (after["ip"], after["ready"]) == (moved, True)
    assert after["warmup_started"] == sending.clock().date().isoformat() != before["warmup_started"]
    assert sending.configurator.runs == ["mx1", "mx1"]
    assert (await sending.shown_condition("InfrastructureReady", ADDRESS))["message"] == moved
    assert await sending.condition("Ready") == ("True", "Ready")
    assert (await sending.operations())[-2][0] == "refresh"
    assert sending.cloud.account.bought == [LABEL]
    assert sending.cloud.ups == 2
    sending.clock.advance(minutes=11)
    assert await sending.step()
    assert sending.cloud.ups == 2


async def test_what_was_verified_at_the_old_address_is_not_taken_for_the_new_one(
    sending: SteppedReconciler,
) -> None:
    sending.cloud.account.move(LABEL)
    sending.configurator.dead = sending.internet.dead = {"mx1"}  # minutes pass until it works
    sending.clock.advance(minutes=11)
    assert await sending.step()
    assert (await published(sending))["ready"] is False
    assert (await sending.condition("Verified", ADDRESS))[0] != "True"
    assert await sending.condition("DnsReady", "domain/acme.example") == ("True", "DnsVerified")
    assert (await sending.condition("Stalled"))[0] == "False"
    sending.configurator.dead = sending.internet.dead = set()
    sending.clock.advance(minutes=11)
    await sending.until_quiet()
    assert (await published(sending))["ready"] is True
    assert await sending.condition("Ready") == ("True", "Ready")


async def test_address_that_moved_is_named_while_nothing_may_be_changed(
    sending: SteppedReconciler,
) -> None:
    old = (await published(sending))["ip"]
    assert (await sending.api.post("/tenants/acme/pause", json={"reason": "audit"})).is_success
    moved = sending.cloud.account.move(LABEL)
    sending.internet.dead = {"mx1"}
    sending.clock.advance(minutes=11)
    assert await sending.step()
    condition = await sending.shown_condition("InfrastructureReady", ADDRESS)
    assert_shows(condition, MAIN_ADDRESS_MOVED, host="mx1", old=old, new=moved)
    assert (await published(sending))["ready"] is False
    assert sending.cloud.ups == 1
    assert (await sending.api.post("/tenants/acme/resume", json={"reason": "done"})).is_success
    sending.internet.dead = set()
    await sending.until_quiet()
    assert (await published(sending))["ip"] == moved
    assert await sending.condition("Ready") == ("True", "Ready")


async def test_server_that_has_ended_is_named_and_bought_again_on_a_persons_word_only(
    sending: SteppedReconciler,
) -> None:
    before = await published(sending)
    service_id = sending.cloud.account.servers[LABEL].service_id
    sending.cloud.account.end(LABEL)
    sending.configurator.dead = sending.internet.dead = {"mx1"}
    for _ in range(2):
        sending.clock.advance(minutes=11)
        assert await sending.step()
        for part in (ADDRESS, "host/mx1"):
            condition = await sending.shown_condition("InfrastructureReady", part)
            assert_shows(condition, SERVER_GONE, service_id=service_id, host="mx1", name=LABEL)
        assert (await published(sending))["ready"] is False
        assert (await sending.condition("Ready"))[0] == "False"
    assert sending.cloud.account.bought == [LABEL]
    assert sending.cloud.ups == 1
    sending.cloud.account.forgotten.add(LABEL)
    sending.configurator.dead = sending.internet.dead = set()
    sending.clock.advance(minutes=11)

    await sending.until_quiet()

    assert sending.cloud.account.bought == [LABEL, LABEL]
    after = await published(sending)
    assert after["ready"] is True
    assert after["ip"] != before["ip"]
    assert after["warmup_started"] == sending.clock().date().isoformat()
    assert sending.configurator.runs == ["mx1", "mx1"]
    assert await sending.condition("Ready") == ("True", "Ready")


async def test_further_address_that_was_made_the_main_one_is_no_move(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    assert await stepped.step()
    server = stepped.cloud.account.servers[LABEL]
    server.main_ip = server.adopted["mx1-2"]
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert stepped.cloud.ups == 1


async def test_passing_trouble_of_an_address_does_not_begin_its_warmup_again(
    sending: SteppedReconciler,
) -> None:
    before = await published(sending)
    sending.internet.wrong[ADDRESS, "smtp.banner"] = NO_BANNER
    for _ in range(2):
        sending.clock.advance(minutes=11)
        await sending.step()
    assert (await published(sending))["ready"] is False
    sending.internet.wrong.clear()
    await sending.until_quiet()
    assert await published(sending) == before


async def test_spam_that_the_provider_lists_is_shown_and_stops_nothing(
    sending: SteppedReconciler,
) -> None:
    assert await sending.condition("SpamListed") == ("False", "NothingListed")
    sending.cloud.account.listed_as_spam = ["type outbound, created 2026-11-24"]
    for _ in range(2):
        sending.clock.advance(minutes=11)
        assert await sending.step()
        condition = await sending.shown_condition("SpamListed")
        assert condition["status"] == "True"
        assert_shows(
            condition,
            SPAM_LISTED,
            tenant="acme",
            entries=f"mx1: {sending.cloud.account.listed_as_spam[0]}",
        )
        assert await sending.condition("Ready") == ("True", "Ready")
        assert (await published(sending))["ready"] is True
    events = (await sending.api.get("/events", params={"tenant": "acme"})).json()["items"]
    assert [e["reason"] for e in events if e["kind"] == "SpamListed=True"] == [SPAM_LISTED.reason]
    sending.cloud.account.listed_as_spam = []
    sending.clock.advance(minutes=11)
    assert await sending.step()
    assert await sending.condition("SpamListed") == ("False", "NothingListed")


async def test_way_out_of_a_host_is_looked_at_as_it_is_since_the_last_change_at_the_provider(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    assert stepped.internet.unchanged_for == timedelta(0)
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert stepped.internet.unchanged_for == timedelta(minutes=11)
    await stepped.apply(hosts=[{**HOSTS[0], "addresses": 3}])
    await stepped.step()
    assert stepped.internet.unchanged_for == timedelta(0)
