"""An order without a clear answer is never repeated, and what was answered is shown at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hostwinds.client import Client
from hostwinds.faults import HALF_DONE, PURCHASE_AMBIGUOUS, REFUSED, UNCLEAR
from hostwinds.journal.file import FileJournal
from hostwinds.purchase import Buyer, Deadlines, Order
from kit.faults import Fault
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.switches import ODD_BODIES
from tests.integration.hostwinds.conftest import Clock
from tests.support.faults import any_values, assert_shows, fault_shown

ORDER = Order("acme-mx1-abc123", 1, 2048, 50, "Seattle", "Debian 13")
SAID = "Your account is on hold"


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> FileJournal:
    start = datetime.now(UTC)
    journal = FileJournal(
        tmp_path / "journal.json", clock=lambda: start + timedelta(seconds=clock.now)
    )
    journal.agree(ORDER.name, 999)
    return journal


@pytest.fixture
def buyer(client: Client, journal: FileJournal, clock: Clock) -> Buyer:
    start = datetime.now(UTC)
    return Buyer(
        client,
        journal,
        Deadlines(),
        clock=lambda: start + timedelta(seconds=clock.now),
        pause=clock.pause,
    )


def fails(buyer: Buyer) -> Fault:
    with pytest.raises(Fault) as caught:
        buyer.instance(ORDER, lambda _: None)
    return caught.value


@pytest.mark.parametrize("body", ODD_BODIES)
def test_order_that_was_done_is_found_and_not_repeated(
    buyer: Buyer, journal: FileJournal, hostwinds_account: HostwindsAccount, clock: Clock, body: str
) -> None:
    hostwinds_account.settings.odd_body = body
    hostwinds_account.settings.only = "add_instance"
    hostwinds_account.faults.inject("odd_done", times=-1)
    for _ in range(2):  # the server is not listed yet
        error = fails(buyer)
        assert_shows(error, HALF_DONE, name=ORDER.name, answer=...)
        assert (SAID in error.message) is (SAID in str(ODD_BODIES[body]))
    assert [row.answer in error.message for row in journal.waiting()] == [True]
    clock.pause(120)
    assert buyer.instance(ORDER, lambda _: None).name == ORDER.name
    assert len(hostwinds_account.ledger) == 1


@pytest.mark.parametrize("body", ODD_BODIES)
def test_order_that_was_not_done_waits_for_a_person(
    buyer: Buyer, journal: FileJournal, hostwinds_account: HostwindsAccount, clock: Clock, body: str
) -> None:
    hostwinds_account.settings.odd_body = body
    hostwinds_account.settings.only = "add_instance"
    hostwinds_account.faults.inject("odd_change")
    assert_shows(fails(buyer), HALF_DONE, name=ORDER.name, answer=...)
    clock.pause(1800)
    error = fails(buyer)
    assert_shows(error, PURCHASE_AMBIGUOUS, name=ORDER.name, opened=..., answer=...)
    assert (SAID in error.message) is (SAID in str(ODD_BODIES[body]))
    assert hostwinds_account.ledger == []
    journal.close(ORDER.name)
    journal.agree(ORDER.name, 999)
    assert buyer.instance(ORDER, lambda _: None).name == ORDER.name
    assert len(hostwinds_account.ledger) == 1


@pytest.mark.parametrize(
    "fault", ["late_error", "late_unauthorized", "server_error", "not_json", "lost_answer"]
)
def test_error_after_a_paid_step_and_unreadable_answers_are_half_done(
    buyer: Buyer, hostwinds_account: HostwindsAccount, clock: Clock, fault: str
) -> None:
    hostwinds_account.settings.only = "add_instance"
    hostwinds_account.faults.inject(fault)
    delivered = fault in ("late_error", "late_unauthorized", "lost_answer")
    if fault != "lost_answer":  # without a word the listing is waited for
        error = fails(buyer)
        assert_shows(error, HALF_DONE, name=ORDER.name, answer=...)
    clock.pause(120 if delivered else 1800)
    if delivered:
        assert buyer.instance(ORDER, lambda _: None).name == ORDER.name
    else:
        assert_shows(fails(buyer), PURCHASE_AMBIGUOUS, name=ORDER.name, opened=..., answer=...)
    assert len(hostwinds_account.ledger) == delivered


def test_refused_payment_is_a_clear_no_with_its_text(
    buyer: Buyer, journal: FileJournal, hostwinds_account: HostwindsAccount
) -> None:
    hostwinds_account.faults.inject("payment_refused")
    error = fails(buyer)
    assert_shows(error, REFUSED, **any_values(REFUSED))
    agreed, closed = sorted(journal.ledger(), key=lambda row: row.ordered)
    assert closed.closed_at is not None
    assert closed.answer == error.message
    assert not agreed.ordered
    assert buyer.instance(ORDER, lambda _: None).name == ORDER.name
    assert len(hostwinds_account.ledger) == 1


def test_server_that_was_paid_and_not_delivered_is_not_ordered_again(
    buyer: Buyer, hostwinds_account: HostwindsAccount
) -> None:
    hostwinds_account.faults.inject("not_delivered")
    for _ in range(2):
        values = {"name": ORDER.name, "opened": ..., "answer": ...}
        assert_shows(fails(buyer), PURCHASE_AMBIGUOUS, **values)
    assert len(hostwinds_account.ledger) == 1


@pytest.mark.parametrize("body", ODD_BODIES)
def test_other_change_without_a_clear_yes_is_no_yes(
    buyer: Buyer, client: Client, hostwinds_account: HostwindsAccount, body: str
) -> None:
    service = buyer.instance(ORDER, lambda _: None).service_id
    hostwinds_account.settings.odd_body = body
    hostwinds_account.faults.inject("odd_change", times=-1)
    for change in (
        lambda: client.set_pointer(service, "198.18.1.10", "mx1.acme.example"),
        lambda: client.terminate(service),
        lambda: client.set_billing_cycle(service, "annually"),
    ):
        with fault_shown(UNCLEAR, action=..., reason=...):
            change()
