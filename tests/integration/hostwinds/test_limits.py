"""No order exceeds what an operator has limited all purchases of the journal to."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from hostwinds.client import Client
from hostwinds.faults import BAD_NUMBER, LIMIT_REACHED
from hostwinds.journal import Journal, close_server
from hostwinds.limits import Limits
from hostwinds.purchase import Buyer, Deadlines, Order
from kit.faults import Fault
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import Clock
from tests.support.faults import fault_shown

FIRST, SECOND, THIRD = (f"acme-mx{number}-abc123" for number in (1, 2, 3))


@pytest.fixture
def buy(client: Client, journal: Journal, clock: Clock) -> Callable[[str, Limits], object]:
    start = datetime.now(UTC)

    def act(name: str, limits: Limits) -> object:
        journal.agree(name, 999)
        buyer = Buyer(
            client,
            journal,
            Deadlines(),
            limits=limits,
            clock=lambda: start + timedelta(seconds=clock.now),
            pause=clock.pause,
        )
        return buyer.instance(Order(name, 1, 2048, 50, "Seattle", "Debian 13"), lambda _: None)

    return act


def bought(account: HostwindsAccount) -> list[str]:
    return [str(line["what"]) for line in account.ledger]


def test_server_beyond_the_monthly_limit_is_not_ordered(
    buy: Callable[[str, Limits], object], journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    limits = Limits(monthly_cents=1998)
    buy(FIRST, limits)
    buy(SECOND, limits)
    what = "all servers would cost 29.97 USD a month, and HOSTWINDS_MONTHLY_LIMIT is 19.98"
    with fault_shown(LIMIT_REACHED, name=THIRD, what=what):
        buy(THIRD, limits)
    buy(SECOND, limits)  # has been ordered
    assert bought(hostwinds_account) == [FIRST, SECOND]
    assert journal.find(THIRD) is None
    close_server(journal, FIRST)
    buy(THIRD, limits)
    assert bought(hostwinds_account) == [FIRST, SECOND, THIRD]


def test_orders_of_a_day_are_limited_whatever_became_of_them(
    buy: Callable[[str, Limits], object], journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    buy(FIRST, Limits(orders_a_day=1))
    close_server(journal, FIRST)
    what = "1 servers were ordered within a day, and HOSTWINDS_ORDERS_A_DAY is 1"
    with fault_shown(LIMIT_REACHED, name=SECOND, what=what):
        buy(SECOND, Limits(orders_a_day=1))
    assert bought(hostwinds_account) == [FIRST]


def test_orders_at_the_same_time_are_limited_together(journal: Journal) -> None:
    limits = Limits(orders_a_day=3)

    def order(number: int) -> bool:
        name = f"acme-mx{number}"
        return journal.open(name, permit=partial(limits.check, name, 0))[1]

    def is_ordered(number: int) -> bool:
        try:
            return order(number)
        except Fault:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(is_ordered, range(8))).count(True) == 3
    with fault_shown(LIMIT_REACHED, name="acme-mx9", what=...):
        order(9)


def test_limits_come_from_the_environment() -> None:
    assert Limits.from_environment({}) == Limits()
    environment = {"HOSTWINDS_MONTHLY_LIMIT": "19.99", "HOSTWINDS_ORDERS_A_DAY": "0"}
    assert Limits.from_environment(environment) == Limits(1999, 0)
    with fault_shown(BAD_NUMBER, name="HOSTWINDS_ORDERS_A_DAY", value="many"):
        Limits.from_environment({"HOSTWINDS_ORDERS_A_DAY": "many"})
