"""Now or later: each gate alone, their order, and what holds for any input."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprint.warmup import ADDRESS, MAILBOX
from sender.directory import (
    DirectoryEntry,
    SendingAddress,
    SendingDomain,
    SendingMailbox,
    Snapshot,
)
from sender.policy import decide
from sender.schemas import OutgoingMessage, Stop, StopScope

TENANT = UUID(int=7)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MESSAGE = OutgoingMessage.model_validate(
    {"from": "sales@acme.example", "to": "bob@rcpt.example", "subject": "Hello", "text": "Hello"}
)


def address(number: int, **changes: object) -> SendingAddress:
    fields = {
        "name": f"mx1-{number}",
        "ip": f"198.18.1.{number}",
        "helo": f"mx1-{number}.acme.example",
        "username": "user",
        "sealed_password": "sealed",
        "ca_pem": "pem",
    }
    return SendingAddress.model_validate(fields | changes)


ENTRY = DirectoryEntry(
    tenant="acme",
    addresses=(address(2), address(3)),
    domains=(
        SendingDomain(
            name="acme.example",
            return_path="b.acme.example",
            selector="s1",
            sealed_dkim_key="sealed",
            verified=True,
        ),
    ),
    mailboxes=(SendingMailbox(address="sales@acme.example", daily_cap=50),),
    warmup_started=date(2026, 11, 1),
    postal_address="Acme Inc., Springfield",
)
SNAPSHOT = Snapshot(entry=ENTRY, homes={}, stops=(), mailbox_used=0, address_used={})


def decided(snapshot: Snapshot, message: OutgoingMessage = MESSAGE, now: datetime = NOW):
    return decide(snapshot, message, now=now)


def test_message_without_obstacles_is_sent_now_and_settles_a_home() -> None:
    decision = decided(SNAPSHOT)
    assert decision.route is not None
    assert decision.route.address.name == "mx1-2"
    assert decision.route.settles_home


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"entry": None}, "not_published"),
        ({"entry": ENTRY.model_copy(update={"domains": ()})}, "domain_unknown"),
        ({"entry": ENTRY.model_copy(update={"mailboxes": ()})}, "mailbox_unknown"),
        ({"entry": ENTRY.model_copy(update={"postal_address": None})}, "no_postal_address"),
        (
            {"entry": ENTRY.model_copy(
                update={"domains": (ENTRY.domains[0].model_copy(update={"verified": False}),)}
            )},
            "domain_not_verified",
        ),
        ({"mailbox_used": 50}, "mailbox_cap_reached"),
        ({"address_used": {"198.18.1.2": 1200, "198.18.1.3": 1200}}, "warmup_cap_reached"),
    ],
)  # fmt: skip
def test_mail_with_one_obstacle_waits_for_a_time_with_its_reason(
    change: dict[str, Any], reason: str
) -> None:
    decision = decided(replace(SNAPSHOT, **change))
    assert (decision.route, decision.reason) == (None, reason)
    assert decision.until is not None
    assert decision.until > NOW


@pytest.mark.parametrize(
    ("started", "first_day"),
    [
        (NOW.date(), NOW.date()),
        (None, ENTRY.warmup_started),
        (date(2026, 10, 1), date(2026, 11, 1)),
    ],
)
def test_address_that_is_newer_than_the_tenant_has_a_warmup_of_its_own(
    started: date | None, first_day: date
) -> None:
    new = ENTRY.model_copy(update={"addresses": (address(9, warmup_started=started),)})
    decision = decided(replace(SNAPSHOT, entry=new))
    assert decision.route is not None
    assert decision.route.address_cap == ADDRESS[ENTRY.warmup].cap(
        (NOW.date() - first_day).days + 1
    )


@pytest.mark.parametrize("sender", ["sales+x@acme.example", "any@acme.example"])
def test_message_of_a_sub_address_or_a_catch_all_counts_as_its_mailbox(sender: str) -> None:
    domain = ENTRY.domains[0].model_copy(update={"catch_all": "sales@acme.example"})
    snapshot = replace(SNAPSHOT, entry=ENTRY.model_copy(update={"domains": (domain,)}))
    message = MESSAGE.model_copy(update={"from_address": sender})
    held = decided(
        replace(snapshot, stops=(stop(StopScope.MAILBOX, "sales@acme.example"),)), message
    )
    assert held.reason == "stopped"
    decision = decided(snapshot, message)
    assert decision.route is not None
    assert decision.route.mailbox.address == "sales@acme.example"
    capped = decided(replace(snapshot, mailbox_used=50), message)
    assert capped.message == "sales@acme.example has reached its cap of 50 a day"


def stop(scope: StopScope, name: str | None = None) -> Stop:
    return Stop(
        id=UUID(int=1),
        scope=scope,
        tenant_id=None if scope is StopScope.PLATFORM else TENANT,
        name=name,
        reason="complaints",
        actor="pm_live_abcdefgh",
        by_operator=True,
        since=NOW,
    )


@pytest.mark.parametrize(
    ("active", "words"),
    [
        (stop(StopScope.PLATFORM), "mail is stopped for the platform: complaints"),
        (stop(StopScope.TENANT), "mail is stopped for the tenant: complaints"),
        (stop(StopScope.QUEUE, "normal"), "mail is stopped for queue normal: complaints"),
        (
            stop(StopScope.MAILBOX, "sales@acme.example"),
            "mail is stopped for mailbox sales@acme.example: complaints",
        ),
        (
            stop(StopScope.DOMAIN, "acme.example"),
            "mail is stopped for domain acme.example: complaints",
        ),
    ],
)
def test_stop_takes_precedence_over_other_reasons_to_wait(active: Stop, words: str) -> None:
    for entry in (ENTRY, None):
        decision = decided(replace(SNAPSHOT, stops=(active,), entry=entry, mailbox_used=50))
        assert (decision.route, decision.reason) == (None, "stopped")
        assert decision.message == words


def test_stop_of_a_domain_ignores_case() -> None:
    body = MESSAGE.model_dump(by_alias=True) | {"from": "Sales@ACME.Example"}
    shouted = OutgoingMessage.model_validate(body)
    active = stop(StopScope.DOMAIN, "acme.example")
    assert decided(replace(SNAPSHOT, stops=(active,)), shouted).reason == "stopped"


def test_stop_of_another_domain_holds_nothing() -> None:
    active = stop(StopScope.DOMAIN, "other.example")
    assert decided(replace(SNAPSHOT, stops=(active,))).route is not None


class TestAddress:
    def test_home_is_kept(self) -> None:
        decision = decided(replace(SNAPSHOT, homes={"acme.example": "mx1-3"}))
        assert decision.route is not None
        assert decision.route.address.name == "mx1-3"
        assert not decision.route.settles_home

    def test_home_at_its_cap_gives_way_to_another(self) -> None:
        full = {"198.18.1.3": 1200}
        decision = decided(replace(SNAPSHOT, homes={"acme.example": "mx1-3"}, address_used=full))
        assert decision.route is not None
        assert decision.route.address.name == "mx1-2"
        assert not decision.route.settles_home

    def test_home_not_ready_holds_its_mail(self) -> None:
        entry = ENTRY.model_copy(update={"addresses": (address(2), address(3, ready=False))})
        decision = decided(replace(SNAPSHOT, entry=entry, homes={"acme.example": "mx1-3"}))
        assert (decision.route, decision.reason) == (None, "address_not_ready")

    def test_home_stopped_holds_its_mail(self) -> None:
        active = stop(StopScope.ADDRESS, "mx1-3")
        decision = decided(replace(SNAPSHOT, homes={"acme.example": "mx1-3"}, stops=(active,)))
        assert (decision.route, decision.reason) == (None, "stopped")
        assert decision.message == "mail is stopped for address mx1-3: complaints"

    def test_address_stopped_gets_no_home(self) -> None:
        decision = decided(replace(SNAPSHOT, stops=(stop(StopScope.ADDRESS, "mx1-2"),)))
        assert decision.route is not None
        assert decision.route.address.name == "mx1-3"

    def test_message_with_every_address_stopped_waits(self) -> None:
        stops = tuple(stop(StopScope.ADDRESS, name) for name in ("mx1-2", "mx1-3"))
        assert decided(replace(SNAPSHOT, stops=stops)).reason == "stopped"

    def test_address_not_ready_gets_no_home(self) -> None:
        entry = ENTRY.model_copy(update={"addresses": (address(2, ready=False), address(3))})
        decision = decided(replace(SNAPSHOT, entry=entry))
        assert decision.route is not None
        assert decision.route.address.name == "mx1-3"

    def test_homes_are_spread_evenly_over_addresses(self) -> None:
        homes: dict[str, str] = {}
        for number in range(8):
            decision = decided(replace(SNAPSHOT, homes=homes))
            assert decision.route is not None
            homes = homes | {f"d{number}.example": decision.route.address.name}
        assert sorted(homes.values()) == ["mx1-2"] * 4 + ["mx1-3"] * 4


@given(
    day=st.integers(-5, 90),
    used=st.integers(0, 2000),
    mailbox=st.integers(0, 600),
)
def test_caps_are_never_exceeded(day: int, used: int, mailbox: int) -> None:
    now = datetime(2026, 11, 1, 23, 59, tzinfo=UTC) + timedelta(days=day - 1)
    usage = {item.ip: used for item in ENTRY.addresses}
    decision = decided(replace(SNAPSHOT, address_used=usage, mailbox_used=mailbox), now=now)
    if decision.route is not None:
        assert used < ADDRESS[ENTRY.warmup].cap(day)
        assert mailbox < min(50, MAILBOX[ENTRY.warmup].cap(day))
    else:
        assert decision.until is not None
        assert now < decision.until <= now + timedelta(days=1)


def test_counters_start_at_zero_at_midnight_utc() -> None:
    decision = decided(replace(SNAPSHOT, mailbox_used=50))
    assert decision.until == datetime(2026, 11, 25, tzinfo=UTC)
