"""Addresses and mailboxes may send a little more each day, and never more than their target."""

from __future__ import annotations

import pytest

from blueprint.tenant import Warmup
from blueprint.warmup import ADDRESS, DOMAIN, MAILBOX, Curve, Staircase


@pytest.mark.parametrize("curve", [*ADDRESS.values(), *DOMAIN.values(), *MAILBOX.values()])
def test_caps_grow_from_the_start_to_the_target(curve: Curve | Staircase) -> None:
    caps = [curve.cap(day) for day in range(-2, 200)]
    assert caps == sorted(caps)
    assert curve.cap(0) == 0
    assert curve.cap(1) == curve.start
    assert curve.cap(curve.days - 1) < curve.cap(curve.days) == curve.target
    assert curve.cap(10**6) == curve.target


@pytest.mark.parametrize("curve", [*ADDRESS.values(), *DOMAIN.values()])
def test_caps_grow_by_at_most_two_fifths_a_day(curve: Staircase) -> None:
    for day in range(1, curve.days):
        assert curve.cap(day + 1) <= curve.cap(day) * 1.4


@pytest.mark.parametrize("curve", MAILBOX.values())
def test_mailbox_grows_by_a_few_mails_a_day_up_to_what_receivers_bear(curve: Curve) -> None:
    assert 5 <= curve.start <= 15
    assert curve.target == 150
    assert all(curve.cap(day + 1) - curve.cap(day) <= 5 for day in range(1, curve.days))


@pytest.mark.parametrize(
    ("warmup", "days"),
    [(Warmup.CONSERVATIVE, 97), (Warmup.STANDARD, 40), (Warmup.AGGRESSIVE, 14)],
)
def test_warm_up_takes_the_days_of_its_curve(warmup: Warmup, days: int) -> None:
    assert ADDRESS[warmup].cap(1) <= 50
    assert ADDRESS[warmup].days == days
