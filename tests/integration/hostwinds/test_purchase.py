"""Whatever interrupts a purchase, nothing is bought twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest

from hostwinds.client import Client
from hostwinds.faults import (
    HALF_DONE,
    NAMED_OTHERWISE,
    NOT_ACTIVE,
    NOT_IN_EFFECT,
    NOT_ON_OFFER,
    PENDING,
    PROVISIONING,
    PURCHASE_AMBIGUOUS,
    SERVER_LOCKED,
    SEVERAL_SERVERS,
    SIZE_NOT_ON_OFFER,
    UNAUTHORIZED,
    UNREACHABLE,
    VANISHED,
    Unfinished,
)
from hostwinds.journal import Journal
from hostwinds.purchase import Buyer, Deadlines, Order
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import Clock
from tests.support.faults import assert_shows, fault_shown
from tests.support.points import Killed

ORDER = Order("acme-mx1-abc123", 1, 2048, 50, "Seattle", "Debian 13")
LATE_ERROR = (
    "Hostwinds does not confirm add_instance: "
    "Invoice Paid: Invoice has been paid; Something went wrong"
)
DEADLINES = Deadlines(poll=30, provisioning=1800, portal=60)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def buyer(client: Client, journal: Journal, clock: Clock) -> Buyer:
    journal.agree(ORDER.name, 999)
    return buyer_with(DEADLINES, client, journal, clock)


@pytest.fixture
def brief(client: Client, journal: Journal, clock: Clock) -> Buyer:
    """A buyer that waits for no server, as in a run of the control plane."""
    journal.agree(ORDER.name, 999)
    return buyer_with(replace(DEADLINES, server=0), client, journal, clock)


def buyer_with(deadlines: Deadlines, client: Client, journal: Journal, clock: Clock) -> Buyer:
    start = datetime.now(UTC)
    return Buyer(
        client,
        journal,
        deadlines,
        clock=lambda: start + timedelta(seconds=clock.now),
        pause=clock.pause,
    )


def bought(hostwinds_account: HostwindsAccount) -> list[str]:
    return [line["kind"] for line in hostwinds_account.ledger]


def test_new_instance_is_waited_for(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    instance = buyer.instance(ORDER, lines.append)
    assert instance.name == ORDER.name
    assert instance.is_active
    assert bought(hostwinds_account) == ["server"]
    assert any("ordering" in line and "9.99" in line for line in lines)


def test_order_repeated_buys_nothing(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    first = buyer.instance(ORDER, lines.append)
    assert buyer.instance(ORDER, lines.append).service_id == first.service_id
    assert bought(hostwinds_account) == ["server"]


def test_lost_answer_is_resolved_by_the_listing(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    hostwinds_account.faults.inject("lost_answer")
    assert buyer.instance(ORDER, lines.append).name == ORDER.name
    assert bought(hostwinds_account) == ["server"]


@pytest.mark.parametrize("moment", ["before the order", "after the order", "before the outcome"])
def test_crash_at_any_step_buys_once(
    buyer: Buyer,
    client: Client,
    journal: Journal,
    hostwinds_account: HostwindsAccount,
    clock: Clock,
    lines: list[str],
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(*arguments: object, **more: object) -> NoReturn:
        raise Killed

    order = client.order
    with monkeypatch.context() as patch:
        if moment == "before the order":
            patch.setattr(client, "order", die)
        elif moment == "after the order":
            patch.setattr(client, "order", lambda **more: (order(**more), die()))
        else:
            patch.setattr(journal, "settle", die)
        with pytest.raises(Killed):
            buyer.instance(ORDER, lines.append)

    if moment == "before the order":
        # Not distinguishable from an order whose server is not listed yet: an operator decides.
        with fault_shown(PURCHASE_AMBIGUOUS, name=ORDER.name, opened=...):
            buyer.instance(ORDER, lines.append)
        assert bought(hostwinds_account) == []
    else:
        assert buyer.instance(ORDER, lines.append).name == ORDER.name
        assert bought(hostwinds_account) == ["server"]


def test_lost_journal_adopts_by_name(
    buyer: Buyer, journal: Journal, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    first = buyer.instance(ORDER, lines.append)
    journal.close(ORDER.name)
    assert buyer.instance(ORDER, lines.append).service_id == first.service_id
    assert bought(hostwinds_account) == ["server"]


def test_refused_order_leaves_no_intent(
    buyer: Buyer, journal: Journal, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    hostwinds_account.faults.inject("unauthorized", times=-1)
    with fault_shown(UNAUTHORIZED):
        buyer.instance(ORDER, lines.append)
    hostwinds_account.faults.clear()
    assert journal.find(ORDER.name) is None
    buyer.instance(ORDER, lines.append)
    assert bought(hostwinds_account) == ["server"]


def test_order_that_is_not_on_offer_is_refused_before_a_purchase(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    huge = Order("acme-mx1-abc123", 64, 2048, 50, "Seattle", "Debian 13")
    unknown_location = Order("acme-mx1-abc123", 1, 2048, 50, "Atlantis", "Debian 13")
    with fault_shown(SIZE_NOT_ON_OFFER):
        buyer.instance(huge, lines.append)
    with fault_shown(NOT_ON_OFFER, offered=...):
        buyer.instance(unknown_location, lines.append)
    assert bought(hostwinds_account) == []


def test_instance_that_never_boots_is_reported_and_kept(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    hostwinds_account.faults.inject("never_boots")
    for _ in range(2):
        with pytest.raises(Unfinished) as caught:
            buyer.instance(ORDER, lines.append)
        assert_shows(caught.value, NOT_ACTIVE, name=ORDER.name, status=...)
        assert caught.value.instance is not None
        assert caught.value.instance.name == ORDER.name
    assert bought(hostwinds_account) == ["server"]


def test_run_that_does_not_wait_leaves_a_new_instance_to_a_later_one(
    brief: Buyer, hostwinds_account: HostwindsAccount, clock: Clock, lines: list[str]
) -> None:
    hostwinds_account.settings.active_after = 300
    began = clock.now
    with pytest.raises(Unfinished) as caught:
        brief.instance(ORDER, lines.append)
    assert_shows(caught.value, PROVISIONING, name=ORDER.name, status="not listed yet", until=...)
    assert caught.value.instance is None
    assert clock.now == began, "it does not wait"
    clock.pause(120)
    with pytest.raises(Unfinished) as caught:
        brief.instance(ORDER, lines.append)
    assert_shows(caught.value, PROVISIONING, name=ORDER.name, status="build", until=...)
    assert caught.value.instance is not None
    clock.pause(300)
    [server] = hostwinds_account.all_servers()
    server.wait_for_boot()
    assert brief.instance(ORDER, lines.append).is_active
    assert bought(hostwinds_account) == ["server"]


def test_run_that_does_not_wait_names_what_the_provider_never_finishes(
    brief: Buyer, hostwinds_account: HostwindsAccount, clock: Clock, lines: list[str]
) -> None:
    hostwinds_account.faults.inject("never_boots")
    with fault_shown(PROVISIONING, name=ORDER.name, status=..., until=...):
        brief.instance(ORDER, lines.append)
    clock.pause(DEADLINES.provisioning + 60)
    with fault_shown(NOT_ACTIVE, name=ORDER.name, status="still build"):
        brief.instance(ORDER, lines.append)
    assert bought(hostwinds_account) == ["server"]


def test_run_that_does_not_wait_names_an_order_that_is_never_delivered(
    brief: Buyer, hostwinds_account: HostwindsAccount, clock: Clock, lines: list[str]
) -> None:
    hostwinds_account.faults.inject("not_delivered")
    with fault_shown(PROVISIONING, name=ORDER.name, status=..., until=...):
        brief.instance(ORDER, lines.append)
    clock.pause(DEADLINES.provisioning + 60)
    with fault_shown(PURCHASE_AMBIGUOUS, name=ORDER.name, opened=...):
        brief.instance(ORDER, lines.append)
    assert bought(hostwinds_account) == ["server"]


def test_an_order_is_looked_for_by_the_clock_of_the_journal(
    client: Client, journal: Journal, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    journal.agree(ORDER.name, 999)
    hostwinds_account.faults.inject("not_delivered")
    deadlines = replace(DEADLINES, server=0)
    with fault_shown(PROVISIONING, name=ORDER.name, status=..., until=...):
        Buyer(client, journal, deadlines).instance(ORDER, lines.append)
    later = journal.now() + timedelta(seconds=DEADLINES.provisioning + 60)
    vars(journal)["now"] = lambda: later
    with fault_shown(PURCHASE_AMBIGUOUS, name=ORDER.name, opened=...):
        Buyer(client, journal, deadlines).instance(ORDER, lines.append)


def test_error_after_the_invoice_was_paid_is_no_refusal(
    buyer: Buyer, hostwinds_account: HostwindsAccount, clock: Clock, lines: list[str]
) -> None:
    hostwinds_account.faults.inject("late_error")
    for _ in range(2):
        with fault_shown(HALF_DONE, name=ORDER.name, answer=LATE_ERROR):
            buyer.instance(ORDER, lines.append)
    clock.pause(120)
    assert buyer.instance(ORDER, lines.append).name == ORDER.name
    assert bought(hostwinds_account) == ["server"]


def test_server_missing_in_the_account_is_not_ordered_again(
    buyer: Buyer,
    client: Client,
    journal: Journal,
    hostwinds_account: HostwindsAccount,
    lines: list[str],
) -> None:
    """The key may be of another account, so only an operator can tell that the server was ended."""
    client.terminate(buyer.instance(ORDER, lines.append).service_id)
    for _ in range(2):
        with fault_shown(VANISHED, what=f"server 1001 ({ORDER.name})"):
            buyer.instance(ORDER, lines.append)
    assert bought(hostwinds_account) == ["server"]
    journal.close(ORDER.name)
    journal.agree(ORDER.name, 999)
    buyer.instance(ORDER, lines.append)
    assert bought(hostwinds_account) == ["server", "server"]


def test_two_servers_of_one_name_are_a_fault(
    buyer: Buyer, hostwinds_account: HostwindsAccount, clock: Clock, lines: list[str]
) -> None:
    for _ in range(2):
        hostwinds_account.order(ORDER.name, "52", 12)
    clock.pause(120)
    with fault_shown(SEVERAL_SERVERS, name=ORDER.name):
        buyer.instance(ORDER, lines.append)
    assert bought(hostwinds_account) == ["server", "server"]


def test_purchase_is_closed_after_its_server_is_gone(
    buyer: Buyer, journal: Journal, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    service = buyer.instance(ORDER, lines.append).service_id
    hostwinds_account.faults.inject("no_effect")
    with fault_shown(NOT_IN_EFFECT, service_id=service):
        buyer.end_instance(service, ORDER.name, lines.append)
    assert journal.find(ORDER.name) is not None
    for _ in range(2):
        buyer.end_instance(service, ORDER.name, lines.append)
    assert list(hostwinds_account.all_servers()) == []
    assert journal.find(ORDER.name) is None


def test_locked_server_is_not_ended(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    service = buyer.instance(ORDER, lines.append).service_id
    hostwinds_account.server(None, service).locked = True
    with fault_shown(SERVER_LOCKED, service_id=service, name=ORDER.name):
        buyer.end_instance(service, ORDER.name, lines.append)
    assert [server.serviceid for server in hostwinds_account.all_servers()] == [service]


def test_server_of_an_interrupted_run_is_ended(
    buyer: Buyer,
    client: Client,
    journal: Journal,
    hostwinds_account: HostwindsAccount,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = client.order

    def order_and_die(**more: Any) -> None:
        order(**more)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(client, "order", order_and_die)
        with pytest.raises(Killed):
            buyer.instance(ORDER, lines.append)
    for _ in range(2):
        buyer.end_purchase(ORDER.name, lines.append)
    assert bought(hostwinds_account) == ["server"]
    assert list(hostwinds_account.all_servers()) == []
    assert journal.intents() == []


def test_server_that_is_not_named_as_ours_is_neither_used_nor_ended(
    buyer: Buyer,
    journal: Journal,
    hostwinds_account: HostwindsAccount,
    clock: Clock,
    lines: list[str],
) -> None:
    """A person has settled a purchase with the number of another server."""
    foreign = hostwinds_account.order("our-website", "52", 12)
    clock.pause(120)
    journal.open(ORDER.name)
    journal.settle(ORDER.name, str(foreign))
    for act in (
        lambda: buyer.instance(ORDER, lines.append),
        lambda: buyer.end_purchase(ORDER.name, lines.append),
        lambda: buyer.end_instance(foreign, ORDER.name, lines.append),
    ):
        with fault_shown(NAMED_OTHERWISE, service_id=..., label="our-website", name=ORDER.name):
            act()
    assert [server.serviceid for server in hostwinds_account.all_servers()] == [foreign]
    hostwinds_account.server(None, foreign).srvrname = ORDER.name
    assert buyer.instance(ORDER, lines.append).service_id == foreign


def test_address_is_adopted_when_it_appears(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    service = buyer.instance(ORDER, lines.append).service_id
    with fault_shown(PENDING, service_id=service):
        buyer.address(service, "mx1-2", lines.append)
    address = hostwinds_account.attach(service)
    assert buyer.address(service, "mx1-2", lines.append) == address
    assert buyer.address(service, "mx1-2", lines.append) == address
    assert bought(hostwinds_account) == ["server", "address"]


def test_address_lost_by_the_server_is_requested_again(
    buyer: Buyer, client: Client, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    service = buyer.instance(ORDER, lines.append).service_id
    lost = hostwinds_account.attach(service)
    assert buyer.address(service, "mx1-2", lines.append) == lost
    client.release_address(service, lost)
    with fault_shown(PENDING, service_id=service):
        buyer.address(service, "mx1-2", lines.append)
    replacement = hostwinds_account.attach(service)
    assert buyer.address(service, "mx1-2", lines.append) == replacement


def test_address_that_became_the_main_one_stays_what_it_was(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    """A person may choose any address of the server in the portal."""
    instance = buyer.instance(ORDER, lines.append)
    service, main = instance.service_id, instance.main_ip
    secondary = hostwinds_account.attach(service)
    assert buyer.address(service, "mx1-2", lines.append) == secondary
    hostwinds_account.prefer(service, secondary)
    instance = buyer.instance(ORDER, lines.append)
    assert instance.main_ip == secondary
    assert buyer.main_address(instance, main) == main
    assert buyer.address(service, "mx1-2", lines.append) == secondary
    with fault_shown(PENDING, name="mx1-3", service_id=service):
        buyer.address(service, "mx1-3", lines.append)  # not the former main address
    hostwinds_account.prefer(service, main)
    hostwinds_account.attach(service)
    third = buyer.address(service, "mx1-3", lines.append)
    assert third not in (main, secondary)
    hostwinds_account.move(service)
    moved = buyer.instance(ORDER, lines.append)
    assert buyer.main_address(moved, main) == moved.main_ip not in (main, secondary, third)


def test_main_address_is_never_adopted(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    service = buyer.instance(ORDER, lines.append).service_id
    secondary = hostwinds_account.attach(service)
    next(iter(hostwinds_account.all_servers())).ips.reverse()
    assert buyer.address(service, "mx1-2", lines.append) == secondary


def test_api_without_an_answer_is_a_fault(
    buyer: Buyer, hostwinds_account: HostwindsAccount, lines: list[str]
) -> None:
    for fault in ("not_json", "server_error"):
        hostwinds_account.faults.inject(fault, times=-1)
        with fault_shown(UNREACHABLE, action=..., reason=...):
            buyer.instance(ORDER, lines.append)
        hostwinds_account.faults.clear()
    assert bought(hostwinds_account) == []
