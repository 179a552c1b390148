"""In which buckets the worker looks for jobs that have waited for long."""

from __future__ import annotations

from sender.queue.ageing import AT_ONCE, Ageing


def test_buckets_that_were_served_for_long_take_turns() -> None:
    ageing, many = Ageing(), range(2 * AT_ONCE + 1)
    assert ageing.next(many, 0.0, 10.0) == []
    assert ageing.next(many, 9.0, 10.0) == []
    looks = [ageing.next(many, 10.0, 10.0) for _ in range(3)]
    assert [len(look) for look in looks] == [AT_ONCE] * 3
    assert {bucket for look in looks for bucket in look} == set(many)


def test_bucket_that_was_empty_once_begins_again() -> None:
    ageing = Ageing()
    ageing.next([1, 2], 0.0, 10.0)
    ageing.next([2], 5.0, 10.0)
    assert ageing.next([1, 2], 10.0, 10.0) == [2]
