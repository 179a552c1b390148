"""Conditions: equal verdicts change nothing, and those of parts are aggregated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controlplane.conditions.model import (
    NOT_YET_REPORTED,
    READY,
    STALLED,
    TENANT,
    Conditions,
    Status,
    Verdict,
    aggregate,
    bad,
    ok,
    unknown,
)

TYPES = (READY, "DnsReady")
DNS = "DnsReady"
START = datetime(2026, 11, 24, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def fresh(generation: int = 1) -> Conditions:
    return Conditions([], generation=generation, clock=Clock())


def test_conditions_at_the_first_pass_are_all_unknown() -> None:
    conditions = fresh()
    conditions.begin({TENANT: TYPES})
    assert {c.type for c in conditions} == set(TYPES)
    assert {(c.status, c.reason) for c in conditions} == {(Status.UNKNOWN, NOT_YET_REPORTED)}
    _, transitions = conditions.take_changes()
    assert transitions == [], "no observation is no event"


def test_condition_set_to_the_same_verdict_changes_nothing() -> None:
    conditions = fresh()
    conditions.set(TENANT, DNS, ok("DnsVerified"))
    conditions.take_changes()
    conditions.set(TENANT, DNS, ok("DnsVerified"))
    assert conditions.take_changes() == ([], [])


def test_condition_with_another_reason_is_a_change_but_no_transition() -> None:
    conditions = fresh()
    conditions.set(TENANT, DNS, bad("DnsMissing", "a"))
    before = conditions.get(TENANT, DNS)
    conditions.take_changes()
    conditions.set(TENANT, DNS, bad("DnsDifferent", "b"))
    changed, transitions = conditions.take_changes()
    assert [c.reason for c in changed] == ["DnsDifferent"]
    assert transitions == []
    assert before is not None
    assert changed[0].last_transition_at == before.last_transition_at


def test_flag_is_an_event_when_it_becomes_true_and_false_again() -> None:
    conditions = fresh()
    conditions.begin({TENANT: (STALLED,)})
    events = []
    for verdict in (bad("Progressing", ""), ok("NoRoom"), bad("Progressing", "")):
        conditions.set(TENANT, STALLED, verdict)
        events.append([(c.type, c.status) for c in conditions.take_changes()[1]])
    assert events == [[], [(STALLED, Status.TRUE)], [(STALLED, Status.FALSE)]]


def test_conditions_of_a_removed_subject_are_removed() -> None:
    conditions = fresh()
    conditions.begin({TENANT: TYPES, "host/mx1": [READY]})
    conditions.begin({TENANT: TYPES})
    assert conditions.get("host/mx1", READY) is None


WAITS = bad("WaitingForProvider", "no number", waits=True)


@pytest.mark.parametrize(
    ("parts", "status", "message"),
    [
        ([ok("A"), ok("B")], Status.TRUE, ""),
        ([ok("A"), WAITS], Status.TRUE, "waiting: p1"),
        ([WAITS, bad("Wrong", "x")], Status.FALSE, "p1: x"),
        ([unknown("U", "u"), bad("Wrong", "x")], Status.FALSE, "p1: x"),
        ([ok("A"), unknown("U", "u")], Status.UNKNOWN, "p1: u"),
        ([WAITS, WAITS], Status.FALSE, "p0: no number"),
        ([], Status.TRUE, ""),
    ],
)
def test_verdicts_of_parts_add_up_to_one(
    parts: list[Verdict], status: Status, message: str
) -> None:
    whole = aggregate([(f"p{n}", part) for n, part in enumerate(parts)], "All")
    assert (whole.status, whole.message) == (status, message)
