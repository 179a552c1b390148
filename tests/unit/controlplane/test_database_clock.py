"""The time of the database, as a process knows it between two measurements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controlplane.clock import INTERVAL, LONGEST, DatabaseClock

SHOWN = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Seconds:
    """The seconds that the machine counts."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def clock(seconds: Seconds) -> DatabaseClock:
    """A clock that was measured now."""
    clock = DatabaseClock(seconds)
    clock.is_kept = True
    assert clock.begin() == seconds.now
    clock.end(seconds.now, SHOWN)
    return clock


def test_clock_that_was_measured_goes_on_by_the_seconds_of_the_machine(
    clock: DatabaseClock, seconds: Seconds
) -> None:
    seconds.now += 30
    assert clock() == SHOWN + timedelta(seconds=30)
    assert clock.begin() is None


def test_clock_is_measured_again_after_the_interval(clock: DatabaseClock, seconds: Seconds) -> None:
    seconds.now += INTERVAL
    began = clock.begin()
    assert began is not None
    clock.end(began, SHOWN - timedelta(hours=1))
    assert clock() == SHOWN - timedelta(hours=1), "another server has taken over"


def test_answer_that_took_too_long_is_not_believed(clock: DatabaseClock, seconds: Seconds) -> None:
    seconds.now += INTERVAL
    began = clock.begin()
    assert began is not None
    seconds.now += 2 * LONGEST
    clock.end(began, SHOWN)
    assert clock() == SHOWN + timedelta(seconds=INTERVAL + 2 * LONGEST)
    assert clock.begin() is not None, "the next transaction tries again"


def test_clock_that_is_not_kept_is_that_of_the_machine() -> None:
    clock = DatabaseClock()
    assert clock.begin() is None
    assert abs(clock() - datetime.now(UTC)) < timedelta(minutes=1)
