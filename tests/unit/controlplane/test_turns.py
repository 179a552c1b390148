"""Whose turn it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta

import pytest

from controlplane.schedule.schemas import Priority
from controlplane.schedule.turns import LATE, WEIGHTS, Turns

USER, RETRY, RESYNC = Priority.USER, Priority.RETRY, Priority.RESYNC
PROMPT = timedelta(0)


class Seconds:
    """A monotonic clock that moves by `spend` only."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> Seconds:
    return Seconds()


@pytest.fixture
def turns(time: Seconds) -> Turns:
    return Turns(time)


def served(
    turns: Turns,
    time: Seconds,
    due: Collection[Priority],
    count: int,
    *,
    seconds: Mapping[Priority, float] | None = None,
    late: Mapping[Priority, timedelta] | None = None,
) -> Counter[Priority]:
    """Return how many passes each priority gets, when some always have more."""
    result: Counter[Priority] = Counter()
    for _ in range(count):
        priority = next(each for each in turns.order() if each in due)
        lateness = (late or {}).get(priority, PROMPT)
        end = turns.begin(priority, lateness)
        time.spend((seconds or {}).get(priority, 1.0))
        end()
        result[priority] += 1
    return result


def test_order_without_passes_is_that_of_urgency(turns: Turns) -> None:
    assert turns.order() == list(Priority)


def test_burst_of_changes_leaves_regular_looks_their_share(time: Seconds) -> None:
    found = served(Turns(time), time, {USER, RESYNC}, 300)
    assert found[RESYNC] / found[USER] == WEIGHTS[RESYNC] / WEIGHTS[USER]


def test_slow_failures_cost_only_the_time_of_their_share(time: Seconds) -> None:
    found = served(Turns(time), time, {RETRY, RESYNC}, 1000, seconds={RETRY: 60.0, RESYNC: 0.5})
    spent = {RETRY: 60.0 * found[RETRY], RESYNC: 0.5 * found[RESYNC]}
    assert spent[RETRY] <= (spent[RESYNC] + 60.0) * WEIGHTS[RETRY] / WEIGHTS[RESYNC] + 60.0
    assert found[RESYNC] > 100


def test_change_after_a_quiet_time_is_next(turns: Turns, time: Seconds) -> None:
    served(turns, time, {RESYNC}, 100)
    assert turns.order()[0] is USER


def test_quiet_time_earns_no_shares(turns: Turns, time: Seconds) -> None:
    served(turns, time, {RESYNC}, 1000)
    found = served(turns, time, {USER, RESYNC}, 30)
    assert found[RESYNC] >= 30 * WEIGHTS[RESYNC] / (WEIGHTS[RESYNC] + WEIGHTS[USER]) - 1


def test_late_passes_get_more_than_their_share(time: Seconds) -> None:
    prompt = served(Turns(time), time, {USER, RESYNC}, 300)[RESYNC]
    late = served(Turns(time), time, {USER, RESYNC}, 300, late={RESYNC: 3 * LATE[RESYNC]})[RESYNC]
    assert late > 2 * prompt * 0.9


def test_pass_that_needs_no_worker_any_more_is_charged_no_further(
    turns: Turns, time: Seconds
) -> None:
    end = turns.begin(USER, PROMPT)
    time.spend(1)
    end()
    before = turns.order()
    time.spend(1000)
    end()
    assert turns.order() == before
    assert served(turns, time, {USER, RESYNC}, 30)[USER] >= 18
