"""Marks of a tenant: no order of them makes a contradiction."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from controlplane.conditions.model import READY, RECONCILING, STALLED, TENANT, Conditions
from controlplane.reconciler import summary

MARKS = ["reconciling", "stalled", "done"]


@given(st.lists(st.sampled_from(MARKS), min_size=1))
def test_no_order_of_marks_makes_a_contradiction(marks: list[str]) -> None:
    conditions = Conditions([], generation=1, clock=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    for mark in marks:
        if mark == "done":
            summary.mark_done(conditions)
        else:
            getattr(summary, f"mark_{mark}")(conditions, "Reason", "message")
    true = {t for t in (READY, RECONCILING, STALLED) if conditions.is_true(TENANT, t)}
    assert true == {"reconciling": {RECONCILING}, "stalled": {STALLED}, "done": set()}[marks[-1]]
