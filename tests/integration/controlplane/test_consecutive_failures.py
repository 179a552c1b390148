"""A verified domain stays on through passing trouble, and goes off when a mistake persists."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER
from controlplane.reconciler.ports import INBOUND
from controlplane.verification import faults
from kit.faults import Code
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped

__all__ = ["stepped"]
DOMAIN, ADDRESS = "domain/acme.example", "address/mx1-2"
AUTHORITATIVE = (DOMAIN, "dns.authoritative")


async def look(stepped: SteppedReconciler) -> str:
    """Make one pass; return the status of the domain's records."""
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    return (await stepped.condition("DnsReady", DOMAIN))[0]


async def pass_time(stepped: SteppedReconciler, minutes: int) -> None:
    """Let the time of the database pass, for consecutive failures."""
    query = "update oltp.consecutive_failures set since = since - make_interval(mins => :minutes)"
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text(query), {"minutes": minutes})


async def failures(stepped: SteppedReconciler) -> list[tuple[str, int]]:
    query = "select subject, looks from oltp.consecutive_failures order by subject"
    async with stepped.database.begin(CONTROLLER) as connection:
        return [(row.subject, row.looks) for row in await connection.execute(text(query))]


@pytest.fixture
async def verified(stepped: SteppedReconciler) -> SteppedReconciler:
    """A tenant whose domain sends."""
    await stepped.apply()
    await stepped.step()
    assert await stepped.published() == {"acme.example": True}
    return stepped


async def test_wrong_answer_counts_after_three_looks_over_thirty_minutes(
    verified: SteppedReconciler,
) -> None:
    verified.internet.wrong[AUTHORITATIVE] = faults.MISSING
    assert [await look(verified) for _ in range(4)] == ["True"] * 4
    condition = await verified.shown_condition("DnsReady", DOMAIN)
    assert "4 wrong looks in 0 min, taken for wrong after 3 in 30 min: " in condition["message"]
    assert faults.MISSING.shown().message in condition["message"]
    assert await verified.published() == {"acme.example": True}
    await pass_time(verified, 29)
    assert await look(verified) == "True"
    await pass_time(verified, 1)
    assert await look(verified) == "False"
    assert await verified.condition("DnsReady", DOMAIN) == ("False", "DnsMissing")
    assert await verified.published() == {"acme.example": False}
    assert await look(verified) == "False"
    verified.internet.wrong.clear()
    assert await look(verified) == "True"
    assert await verified.published() == {"acme.example": True}
    assert await failures(verified) == []


async def test_record_that_others_have_changed_is_written_again_twice_an_hour(
    verified: SteppedReconciler,
) -> None:
    verified.internet.wrong[AUTHORITATIVE] = faults.DIFFERENT
    assert [await look(verified) for _ in range(4)] == ["True"] * 4
    await pass_time(verified, 30)
    assert await look(verified) == "False"
    assert verified.cloud.ups == 1
    assert [await look(verified) for _ in range(4)] == ["False"] * 4
    kinds = [kind for kind, *_ in await verified.operations()]
    assert (kinds[-2:], verified.cloud.ups) == (["refresh", "refresh"], 3)
    verified.internet.wrong.clear()
    assert await look(verified) == "True"
    verified.clock.advance(minutes=30)
    assert await look(verified) == "True"
    assert verified.cloud.ups == 3


async def test_mail_that_is_refused_withdraws_a_domain_at_the_third_refusal(
    verified: SteppedReconciler,
) -> None:
    verified.internet.wrong[DOMAIN, INBOUND] = faults.INBOUND_REFUSED
    for _ in range(2):
        await look(verified)
        assert await verified.condition("Verified", DOMAIN) == ("True", "Verified")
    await pass_time(verified, 30)
    assert await verified.published() == {"acme.example": True}
    await look(verified)
    reason = faults.INBOUND_REFUSED.reason
    assert await verified.condition("Verified", DOMAIN) == ("False", reason)
    assert await verified.published() == {"acme.example": False}


async def test_reverse_name_that_others_have_changed_is_set_again_once_a_day(
    verified: SteppedReconciler,
) -> None:
    verified.internet.wrong[ADDRESS, "fcrdns"] = faults.PTR_DIFFERENT
    for _ in range(4):
        await look(verified)
    await pass_time(verified, 30)
    await look(verified)
    assert await verified.condition("DnsReady", ADDRESS) == ("False", "DnsPtrDifferent")
    await look(verified)
    assert (verified.cloud.ups, verified.cloud.pointers_set) == (1, set()), "it was just set"
    verified.clock.advance(days=1)
    await look(verified)
    await look(verified)
    [host] = verified.cloud.state("acme").hosts
    [ip] = [address.ip for address in host.addresses if ADDRESS.endswith(address.name)]
    assert (verified.cloud.ups, verified.cloud.pointers_set) == (2, {ip})
    kinds = [kind for kind, *_ in await verified.operations()]
    assert kinds[-1] == "refresh"


async def test_record_is_written_again_while_an_address_waits_for_the_portal(
    stepped: SteppedReconciler,
) -> None:
    """The engine looks for the address twice an hour: that does not count as writing records."""
    stepped.cloud.account.withheld = {"mx1-3"}
    await stepped.apply(hosts=[{"name": "mx1", "addresses": 3, "zone": "acme.example"}])
    await stepped.step()
    stepped.internet.wrong[AUTHORITATIVE] = faults.MISSING
    for _ in range(3):
        assert await look(stepped) == "True"
    await pass_time(stepped, 30)
    assert await look(stepped) == "False"
    assert {kind for kind, *_ in await stepped.operations()} >= {"create", "update"}
    await look(stepped)
    kinds = [kind for kind, *_ in await stepped.operations()]
    assert (kinds[-1], kinds.count("refresh")) == ("refresh", 1)
    await look(stepped)
    kinds = [kind for kind, *_ in await stepped.operations()]
    assert kinds.count("refresh") == 1


async def test_two_looks_are_not_enough_however_far_apart(verified: SteppedReconciler) -> None:
    verified.internet.wrong[AUTHORITATIVE] = faults.SPF_REFUSES
    assert await look(verified) == "True"
    await pass_time(verified, 24 * 60)
    assert await look(verified) == "True"
    assert await look(verified) == "False"


async def test_right_answer_ends_failures(verified: SteppedReconciler) -> None:
    verified.internet.wrong[AUTHORITATIVE] = faults.MISSING
    assert [await look(verified) for _ in range(3)] == ["True"] * 3
    await pass_time(verified, 40)
    verified.internet.wrong.clear()
    assert await look(verified) == "True"
    assert (await verified.shown_condition("DnsReady", DOMAIN))["message"] == ""
    verified.internet.wrong[AUTHORITATIVE] = faults.MISSING
    assert await look(verified) == "True"
    assert await failures(verified) == [(DOMAIN, 1)]


async def test_nothing_unanswered_turns_a_domain_off(verified: SteppedReconciler) -> None:
    for code in sorted(faults.UNANSWERED, key=str):
        verified.internet.wrong[AUTHORITATIVE] = code
        assert await look(verified) == "True"
        condition = await verified.shown_condition("DnsReady", DOMAIN)
        assert condition["message"].startswith("not confirmed by the last look: ")
        await pass_time(verified, 60)
    assert await verified.published() == {"acme.example": True}
    assert await verified.condition("Ready") == ("True", "Ready")


async def test_look_without_an_answer_neither_counts_nor_ends_failures(
    verified: SteppedReconciler,
) -> None:
    verified.internet.wrong[AUTHORITATIVE] = faults.MISSING
    await look(verified)
    verified.internet.wrong[AUTHORITATIVE] = faults.NO_ANSWER
    await look(verified)
    assert await failures(verified) == [(DOMAIN, 1)]
    verified.internet.wrong[AUTHORITATIVE] = faults.MISSING
    await look(verified)
    assert await failures(verified) == [(DOMAIN, 2)]


async def test_key_that_is_gone_turns_the_domain_off_at_once(verified: SteppedReconciler) -> None:
    verified.internet.wrong[AUTHORITATIVE] = faults.DKIM_INVALID
    assert await look(verified) == "False"
    assert await verified.published() == {"acme.example": False}


async def test_reverse_name_that_changes_leaves_its_address_on_for_a_while(
    verified: SteppedReconciler,
) -> None:
    verified.internet.wrong[ADDRESS, "fcrdns"] = faults.PTR_DIFFERENT
    await look(verified)
    assert await verified.condition("DnsReady", ADDRESS) == ("True", "DnsVerified")
    assert await failures(verified) == [(ADDRESS, 1)]


async def test_host_has_the_worst_of_its_addresses(stepped: SteppedReconciler) -> None:
    stepped.internet.wrong[ADDRESS, "fcrdns"] = faults.PTR_DIFFERENT
    await stepped.apply()
    await stepped.step()
    for part in (ADDRESS, "host/mx1"):
        assert await stepped.condition("DnsReady", part) == ("False", faults.PTR_DIFFERENT.reason)


@pytest.mark.parametrize("code", [faults.MISSING, faults.NO_ANSWER], ids=str)
async def test_domain_that_was_never_verified_waits(stepped: SteppedReconciler, code: Code) -> None:
    stepped.internet.wrong[AUTHORITATIVE] = code
    await stepped.apply()
    await stepped.step()
    expected = "Unknown" if code in faults.UNANSWERED else "False"
    assert await stepped.condition("DnsReady", DOMAIN) == (expected, code.reason)
    assert await failures(stepped) == []
    assert await stepped.published() == {"acme.example": False}


async def test_failures_of_a_domain_end_with_it(stepped: SteppedReconciler) -> None:
    await stepped.apply(domains=[{"name": "acme.example"}, {"name": "other.example"}])
    await stepped.step()
    stepped.internet.wrong["domain/other.example", "dns.authoritative"] = faults.MISSING
    await look(stepped)
    assert await failures(stepped) == [("domain/other.example", 1)]
    assert (await stepped.apply()).status_code == 200
    await stepped.step()
    assert await failures(stepped) == []


async def asked(stepped: SteppedReconciler) -> list[tuple[str, str]]:
    """Return what somebody has to do: subject, and who acts."""
    query = "select subject, acts from oltp.conditions where acts is not null"
    async with stepped.database.begin(CONTROLLER) as connection:
        return [(row.subject, row.acts) for row in await connection.execute(text(query))]


async def test_port_that_is_not_in_the_list_asks_an_operator_and_turns_nothing_off(
    verified: SteppedReconciler,
) -> None:
    verified.internet.wrong[ADDRESS, "ports"] = faults.EXPOSED
    await look(verified)
    shown = await verified.shown_condition("Verified", ADDRESS)
    assert shown["status"] == "True"
    assert await asked(verified) == [(ADDRESS, "operator")]
    assert faults.EXPOSED.shown().message in shown["message"]
    assert await verified.condition("Ready") == ("True", "Ready")
    assert await verified.published() == {"acme.example": True}

    verified.internet.wrong.clear()
    await look(verified)
    assert await asked(verified) == []


async def test_ports_are_looked_at_as_they_are_since_a_host_was_configured(
    verified: SteppedReconciler,
) -> None:
    assert verified.internet.settled_for == timedelta(0)
    await look(verified)
    assert verified.internet.settled_for == timedelta(minutes=11)


async def test_record_that_others_have_changed_is_named_as_drift_at_the_first_look(
    verified: SteppedReconciler,
) -> None:
    assert await verified.condition("Drifted") == ("False", "AsApplied")
    verified.internet.wrong[AUTHORITATIVE] = faults.MISSING
    verified.clock.advance(minutes=11)
    assert await look(verified) == "True"
    drifted = await verified.shown_condition("Drifted")
    assert (drifted["status"], drifted["reason"]) == ("True", "ChangedOutside")
    assert drifted["message"].startswith(f"{DOMAIN}: ")
    since = drifted["last_transition_at"]
    verified.clock.advance(minutes=11)
    await look(verified)
    assert (await verified.shown_condition("Drifted"))["last_transition_at"] == since
    verified.internet.wrong.clear()
    await look(verified)
    assert await verified.condition("Drifted") == ("False", "AsApplied")


async def test_record_that_was_just_written_is_no_drift_while_name_servers_are_behind(
    verified: SteppedReconciler,
) -> None:
    await verified.apply(domains=[{"name": "acme.example", "dmarc": "reject"}])
    verified.internet.wrong[AUTHORITATIVE] = faults.MISSING
    await look(verified)
    assert await verified.condition("Drifted") == ("False", "AsApplied")
