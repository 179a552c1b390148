"""What a pass depended on is asked again, and ends with time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controlplane.reconciler.rest import ALWAYS, NEVER, Dependencies, Rest
from stacks.faults import STATE_UNREACHABLE

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def rest(dependencies: Dependencies, rows: bytes | None = b"rows") -> Rest | None:
    return dependencies.rest(rows, now=NOW, limit=NOW + timedelta(days=1))


def test_rest_is_confirmed_by_the_same_answers_only() -> None:
    answers = [1, 2]
    kept = Rest(b"rows", [(lambda: answers[0], 1), (lambda: answers[1], 2)], LATER)
    assert kept.is_confirmed()
    answers[1] = 3
    assert not kept.is_confirmed()


def test_rest_is_not_confirmed_by_a_question_that_fails() -> None:
    def fail() -> None:
        raise STATE_UNREACHABLE.shown()

    assert not Rest(b"rows", [(fail, None)], LATER).is_confirmed()


def test_rest_ends_when_the_first_dependency_does() -> None:
    dependencies = Dependencies()
    dependencies.until(ALWAYS)
    dependencies.until(LATER)
    kept = rest(dependencies)
    assert kept is not None
    assert kept.until == LATER


def test_rest_ends_at_its_limit_without_any_other_end() -> None:
    kept = rest(Dependencies())
    assert kept is not None
    assert kept.until == NOW + timedelta(days=1)


@pytest.mark.parametrize("at", [NEVER, NOW])
def test_pass_whose_dependency_has_ended_is_no_rest(at: datetime) -> None:
    dependencies = Dependencies()
    dependencies.until(at)
    assert rest(dependencies) is None


def test_pass_that_lost_what_it_depends_on_is_no_rest() -> None:
    dependencies = Dependencies()
    dependencies.lose()
    dependencies.until(ALWAYS)
    assert rest(dependencies) is None


def test_pass_whose_rows_cannot_be_compared_is_no_rest() -> None:
    assert rest(Dependencies(), rows=None) is None
