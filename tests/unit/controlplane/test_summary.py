"""Marks of a tenant are consistent in any order."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from controlplane.ansible.faults import HOST_KEY_CHANGED, UNREACHABLE
from controlplane.conditions.model import READY, RECONCILING, STALLED, TENANT, Conditions
from controlplane.reconciler import summary

MARKS = {
    "reconciling": lambda conditions: summary.mark_reconciling(conditions, "Reason", "message"),
    "retried": lambda conditions: summary.mark_failed(conditions, UNREACHABLE.shown()),
    "stalled": lambda conditions: summary.mark_failed(conditions, HOST_KEY_CHANGED.shown()),
}


@given(st.lists(st.sampled_from(sorted(MARKS)), min_size=1))
def test_marks_in_any_order_do_not_contradict_each_other(marks: list[str]) -> None:
    conditions = Conditions([], generation=1, clock=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    for mark in marks:
        MARKS[mark](conditions)
    true = {type_ for type_ in (READY, RECONCILING, STALLED) if conditions.is_true(TENANT, type_)}
    assert true == {STALLED if marks[-1] == "stalled" else RECONCILING}
