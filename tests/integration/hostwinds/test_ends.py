"""Ends of servers that a run does not wait for: nothing is lost, and nothing is ended twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hostwinds.client import Client
from hostwinds.faults import INTERRUPTED, NOT_IN_EFFECT
from hostwinds.journal import Journal
from hostwinds.purchase import Buyer, Deadlines, Order
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import Clock
from tests.support.faults import fault_shown

ORDER = Order("acme-mx1-abc123", 1, 2048, 50, "Seattle", "Debian 13")
DEADLINES = Deadlines(poll=30, provisioning=1800, portal=60)


Make = Callable[[Deadlines], Buyer]


@pytest.fixture
def make(client: Client, journal: Journal, clock: Clock) -> Make:
    """Make a buyer with these deadlines."""
    start = datetime.now(UTC)

    def now() -> datetime:
        return start + timedelta(seconds=clock.now)

    journal.agree(ORDER.name, 999)
    return lambda deadlines: Buyer(client, journal, deadlines, clock=now, pause=clock.pause)


@pytest.fixture
def waiting(make: Make) -> Buyer:
    """A buyer that waits until the provider has finished."""
    return make(DEADLINES)


@pytest.fixture
def brief(make: Make) -> Buyer:
    """A buyer that does not, as in a run of the control plane."""
    return make(replace(DEADLINES, end=0))


@pytest.fixture
def ending(waiting: Buyer, brief: Buyer, hostwinds_account: HostwindsAccount) -> int:
    """The number of a server whose end was accepted, and that is still there."""
    service = waiting.instance(ORDER, print).service_id
    hostwinds_account.faults.inject("no_effect")
    assert not brief.end_instance(service, ORDER.name, print)
    return service


def test_end_that_takes_long_is_seen_through_by_later_calls(
    brief: Buyer, ending: int, journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    assert not brief.end_instance(ending, ORDER.name, print)
    assert [row.outcome for row in journal.intents()] == [str(ending)], "it is billed"
    assert list(hostwinds_account.all_servers()), "it is not asked for again"
    hostwinds_account.end(ending)
    assert brief.end_instance(ending, ORDER.name, print)
    assert journal.intents() == []


def test_end_of_which_nothing_came_is_asked_for_again_when_its_time_is_over(
    brief: Buyer, ending: int, clock: Clock, hostwinds_account: HostwindsAccount
) -> None:
    clock.pause(DEADLINES.provisioning)
    hostwinds_account.faults.inject("no_effect")
    with fault_shown(NOT_IN_EFFECT, service_id=ending):
        brief.end_instance(ending, ORDER.name, print)
    assert brief.end_instance(ending, ORDER.name, print)
    assert list(hostwinds_account.all_servers()) == []


def test_server_that_is_ending_is_not_adopted_by_its_successor(
    waiting: Buyer, brief: Buyer, ending: int, hostwinds_account: HostwindsAccount
) -> None:
    """The host was taken out of the document, and is wanted again."""
    with fault_shown(INTERRUPTED, what=...):
        brief.instance(ORDER, print)
    hostwinds_account.end(ending)
    assert waiting.instance(ORDER, print).service_id != ending
    assert [entry["kind"] for entry in hostwinds_account.ledger] == ["server", "server"]
