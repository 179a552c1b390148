"""The table of phases: order, types of conditions, and invalid tables."""

from __future__ import annotations

import pytest

from composition.phases import ROWS
from controlplane.reconciler.subjects import Kind
from controlplane.reconciler.table import Row, condition_types, ordered, types_of

HOST, DOMAIN = frozenset({Kind.HOST}), frozenset({Kind.DOMAIN})


def row(name: str, *needs: str, subjects: frozenset[Kind] = HOST) -> Row:
    return Row(name, name.capitalize(), "", subjects, needs)


def test_phases_given_in_their_order_keep_it() -> None:
    assert ordered(ROWS) == ROWS


def test_phase_given_too_early_comes_after_what_it_needs() -> None:
    rows = ordered([row("c", "b"), row("b", "a"), row("a"), row("d")])
    assert [phase.name for phase in rows] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a"), row("a")], "two phases have the name a"),
        ([row("a", "b")], "there is no phase b"),
        ([row("a", "b"), row("b", "a")], "phases need each other"),
    ],
)
def test_phases_with_repeated_names_or_circles_are_refused(rows: list[Row], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ordered(rows)


def test_condition_types_hold_sums_then_phases_then_flags() -> None:
    types = condition_types([row("a"), row("b", "a", subjects=DOMAIN)])
    assert [t.type for t in types] == [
        "Ready", "Available", "Synced", "A", "B",
        "Reconciling", "Stalled", "Drifted", "Paused", "SpamListed", "Deleting",
    ]  # fmt: skip
    assert [t.type for t in types if t.flag] == [t.type for t in types[5:]]


def test_part_of_a_tenant_has_the_types_of_its_kind_only() -> None:
    rows = [row("a"), row("b", "a", subjects=DOMAIN)]
    assert types_of(rows, Kind.HOST) == ("Ready", "A")
    assert types_of(rows, Kind.DOMAIN) == ("Ready", "B")
    assert types_of(rows, Kind.MAILBOX) == ("Ready",)
