"""Rewritten envelope senders of the stand-in for Mailu's admin."""

from __future__ import annotations

import pytest

from lab.mailu.admin.srs import Rewriter

DAY = 86400.0


def rewriter(day: float = 20_000) -> Rewriter:
    """Return a rewriter on a day."""
    return Rewriter("secret", lambda: day * DAY)


def test_a_sender_is_rewritten_and_back() -> None:
    rewritten = rewriter().forward("ann=1@elsewhere.test", "ours.test")
    assert rewritten.startswith("SRS0=")
    assert rewritten.endswith("=elsewhere.test=ann=1@ours.test")
    assert rewriter().reverse(rewritten) == "ann=1@elsewhere.test"


def test_one_that_another_rewrote_goes_back_to_that() -> None:
    first = rewriter().forward("ann@elsewhere.test", "first.test")
    second = rewriter().forward(first, "ours.test")
    third = rewriter().forward(second, "third.test")
    assert second.startswith("SRS1=")
    assert third.count("SRS") == 1
    for rewritten in (second, third):
        assert rewriter().reverse(rewritten) == first


def test_it_ends_after_three_weeks() -> None:
    rewritten = rewriter(20_000).forward("ann@elsewhere.test", "ours.test")
    assert rewriter(20_021).reverse(rewritten) == "ann@elsewhere.test"
    assert rewriter(20_022).reverse(rewritten) is None


@pytest.mark.parametrize(
    "address",
    [
        "ann@ours.test",
        "SRS0=x@ours.test",
        "SRS0=abcd==elsewhere.test=a@ours.test",
        "SRS1=a@ours.test",
    ],
)
def test_what_is_not_ours_leads_nowhere(address: str) -> None:
    assert rewriter().reverse(address) is None
