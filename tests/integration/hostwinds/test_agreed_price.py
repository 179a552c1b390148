"""Nothing is ordered at a price that nobody has agreed to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hostwinds.client import Client
from hostwinds.faults import PRICE_NOT_AGREED, SIZE_NOT_ON_OFFER
from hostwinds.journal import Journal
from hostwinds.purchase import Buyer, Deadlines, Order
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import Clock
from tests.support.faults import fault_shown

ORDER = Order("acme-mx1-abc123", 1, 2048, 50, "Seattle", "Debian 13")


@pytest.fixture
def buyer(client: Client, journal: Journal, clock: Clock) -> Callable[..., Buyer]:
    start = datetime.now(UTC)

    def create(tolerance: float = 0) -> Buyer:
        return Buyer(
            client,
            journal,
            Deadlines(),
            tolerance=tolerance,
            clock=lambda: start + timedelta(seconds=clock.now),
            pause=clock.pause,
        )

    return create


def test_price_that_rose_is_not_paid_until_somebody_agrees(
    buyer: Callable[..., Buyer], journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    journal.agree(ORDER.name, 999)
    hostwinds_account.settings.prices = {"52": "12.49", "53": "99.00", "54": "99.00"}
    for _ in range(2):
        with fault_shown(
            PRICE_NOT_AGREED, name=ORDER.name, asked="12.49", agreed="at most 9.99 USD"
        ):
            buyer().instance(ORDER, lambda _: None)
    assert hostwinds_account.ledger == []
    journal.agree(ORDER.name, 1249)
    buyer().instance(ORDER, lambda _: None)
    [invoice] = hostwinds_account.ledger
    assert invoice["usd"] == "12.49"
    [row] = journal.ledger()
    assert (row.agreed_cents, row.ceiling_cents) == (1249, 1249)
    assert row.account == "1"


@pytest.mark.parametrize(
    ("tolerance", "most", "price", "is_bought"),
    [
        (10, "10.98", "10.98", True),
        (10, "10.98", "10.99", False),
        (0.5, "10.03", "10.03", True),
        (0.5, "10.03", "10.04", False),
    ],
)
def test_price_within_the_tolerance_is_paid(
    buyer: Callable[..., Buyer],
    journal: Journal,
    hostwinds_account: HostwindsAccount,
    tolerance: float,
    most: str,
    price: str,
    is_bought: bool,
) -> None:
    journal.agree(ORDER.name, 999)
    hostwinds_account.settings.prices = {"52": price, "53": "99.00", "54": "99.00"}
    if is_bought:
        buyer(tolerance).instance(ORDER, lambda _: None)
        assert journal.ledger()[0].ceiling_cents == round(float(most) * 100)
    else:
        values = {"name": ORDER.name, "asked": price, "agreed": f"at most {most} USD"}
        with fault_shown(PRICE_NOT_AGREED, **values):
            buyer(tolerance).instance(ORDER, lambda _: None)
    assert len(hostwinds_account.ledger) == is_bought


def test_price_that_nobody_was_shown_is_not_paid(
    buyer: Callable[..., Buyer], journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    with fault_shown(PRICE_NOT_AGREED, name=ORDER.name, asked="9.99", agreed="no price"):
        buyer().instance(ORDER, lambda _: None)
    assert hostwinds_account.ledger == []
    assert [row.ordered for row in journal.ledger()] == [False]


def test_price_that_rose_after_the_order_changes_nothing(
    buyer: Callable[..., Buyer], journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    journal.agree(ORDER.name, 999)
    first = buyer().instance(ORDER, lambda _: None)
    hostwinds_account.settings.prices = {"52": "12.49"}
    assert buyer().instance(ORDER, lambda _: None) == first
    assert len(hostwinds_account.ledger) == 1


@pytest.mark.parametrize("settings", [{}, {"size_unit": "MB"}, {"price_list": "array"}])
def test_odd_lines_are_passed_over_and_named(
    buyer: Callable[..., Buyer],
    journal: Journal,
    hostwinds_account: HostwindsAccount,
    settings: dict[str, Any],
) -> None:
    hostwinds_account.switchboard.change({"price_lines": "odd", **settings})
    journal.agree(ORDER.name, 999)
    lines: list[str] = []
    buyer().instance(ORDER, lines.append)
    [invoice] = hostwinds_account.ledger
    assert invoice["usd"] == "9.99"
    [named] = [line for line in lines if "passed over" in line]
    for reason in ("custom plan", "empty", "0.00"):
        assert reason in named


def test_list_without_a_line_that_can_be_read_offers_nothing(
    buyer: Callable[..., Buyer], journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    journal.agree(ORDER.name, 999)
    hostwinds_account.settings.prices = dict.fromkeys(("51", "52", "53", "54"), "0.00")
    with fault_shown(SIZE_NOT_ON_OFFER, cpu=1, ram_mb=2048, disk_gb=50):
        buyer().instance(ORDER, lambda _: None)
    assert hostwinds_account.ledger == []
