"""The order in which buckets are served, and what a worker remembers of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sender.queue.buckets import GUESS, START, Arrival, Bucket, BucketRow, Buckets, Position

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
A, B = UUID(int=10), UUID(int=11)


def row(number: int, tenant: UUID = A, *, weight: int = 1, urgent: bool = False) -> BucketRow:
    return BucketRow(number, tenant, f"b{number}", urgent, weight)


def at(minute: int, priority: int = 100) -> Position:
    return (priority, NOON + timedelta(minutes=minute), UUID(int=minute))


def plenty(_bucket: Bucket) -> int:
    return 1_000_000


def served(*rows: BucketRow) -> Buckets:
    buckets = Buckets()
    buckets.serve(rows)
    return buckets


def planned(buckets: Buckets, most: int) -> dict[int, int]:
    """Plan, and find every job that was asked for."""
    claims = buckets.plan(most, plenty)
    for claim in claims:
        buckets.claimed([claim], [at(0)] * claim.most, [claim.bucket.id] * claim.most)
    return {claim.bucket.id: claim.most for claim in claims}


@given(
    weights=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    most=st.lists(st.integers(1, 200), min_size=30, max_size=60),
)
def test_tenants_with_plenty_of_jobs_get_shares_by_weight(
    weights: list[int], most: list[int]
) -> None:
    buckets = served(*(row(n, UUID(int=n), weight=w) for n, w in enumerate(weights)))
    total: Counter[int] = Counter()
    for count in most:
        for bucket in buckets._known.values():
            bucket.expected = 10_000
        total += Counter(planned(buckets, count))
    assert total.total() == sum(most)
    turns = [total[n] / weight for n, weight in enumerate(weights)]
    assert max(turns) - min(turns) <= 20 + sum(most) * 0.02


def test_bucket_with_the_most_urgent_job_comes_first_within_a_tenant() -> None:
    buckets = served(row(1), row(2))
    claims = buckets.plan(10, lambda _: 5)
    for claim, position in zip(claims, (at(0, priority=200), at(9, priority=10)), strict=True):
        buckets.claimed([claim], [position] * 5, [claim.bucket.id] * 5)
        for _ in range(5):
            buckets.ended(claim.bucket.id)
    assert {claim.bucket.id: claim.most for claim in buckets.plan(8, lambda _: 5)} == {2: 5, 1: 3}


def test_buckets_without_credit_cost_next_to_nothing_and_are_asked_again_within_ten_looks() -> None:
    buckets = served(*(row(n, UUID(int=n % 7)) for n in range(10_000)))
    rich: set[int] = set()
    asked: Counter[int] = Counter()

    def credit(bucket: Bucket) -> int:
        asked[bucket.id] += 1
        return 5 if bucket.id in rich else 0

    for _ in range(20):
        assert buckets.plan(100, credit) == []
    assert len(asked) == 10_000
    asked.clear()
    for _ in range(10):
        assert buckets.plan(100, credit) == []
    assert 0 < asked.total() < 1_000
    asked.clear()
    rich.add(7_777)
    looks = found = 0
    while not found:
        looks += 1
        buckets.ask_again()
        found = len(buckets.plan(100, credit))
    assert looks <= 10


def test_buckets_of_one_tenant_in_work_are_claimed_from_again_as_their_jobs_end() -> None:
    buckets = served(*(row(n) for n in range(1_000)))
    claims = buckets.plan(5_000, lambda _: 5)
    assert sum(claim.most for claim in claims) == 5_000
    for claim in claims:
        buckets.claimed([claim], [at(0)] * 5, [claim.bucket.id] * 5)
    buckets.plan(10, lambda _: 5)
    buckets.ended(500)
    assert [(c.bucket.id, c.most) for c in buckets.plan(10, lambda _: 5)] == [(500, 1)]


def test_urgent_bucket_is_served_before_all_turns() -> None:
    buckets = served(row(1), row(2, B, urgent=True))
    assert planned(buckets, 50) == {2: 50}


def test_credit_counts_jobs_that_have_no_outcome() -> None:
    buckets = served(row(1))
    (claim,) = buckets.plan(100, lambda _: 7)
    assert claim.most == 7
    assert buckets.plan(100, lambda _: 7) == []
    buckets.claimed([claim], [at(n) for n in range(7)], [1] * 7)
    assert buckets.plan(100, lambda _: 7) == []
    buckets.ended(1)
    assert [c.most for c in buckets.plan(100, lambda _: 7)] == [1]


def test_bucket_whose_outcome_is_being_written_is_asked_at_once() -> None:
    def only_the_last(bucket: Bucket) -> int:
        return int(bucket.id == 100)

    buckets = served(*(row(number) for number in range(1, 101)))
    assert buckets.plan(100, lambda _: 0) == []
    assert buckets.plan(100, only_the_last) == []
    buckets.may_have_credit(100)
    assert [claim.bucket.id for claim in buckets.plan(100, only_the_last)] == [100]


def test_bucket_that_had_fewer_jobs_than_asked_for_is_served_again_after_an_arrival() -> None:
    buckets = served(row(1))
    (claim,) = buckets.plan(10, plenty)
    buckets.claimed([claim], [at(1), at(2)], [1, 1])
    assert buckets.plan(10, plenty) == []
    assert buckets.arrived([Arrival(1, at(3), 4)]) == []
    (claim,) = buckets.plan(10, plenty)
    assert (claim.most, claim.bucket.position) == (4, at(2))


def test_arrival_during_a_claim_is_not_lost() -> None:
    buckets = served(row(1))
    (claim,) = buckets.plan(10, plenty)
    buckets.arrived([Arrival(1, at(1), 1)])
    buckets.claimed([claim], [], [])
    assert [c.bucket.id for c in buckets.plan(10, plenty)] == [1]


def test_arrival_before_the_position_moves_it_back() -> None:
    buckets = served(row(1))
    (claim,) = buckets.plan(2, plenty)
    buckets.claimed([claim], [at(5), at(6)], [1, 1])
    assert claim.bucket.position == at(6)
    buckets.arrived([Arrival(1, at(2), 1)])
    assert claim.bucket.position == at(2)


def test_claim_whose_answer_was_lost_is_read_from_the_beginning() -> None:
    buckets = served(row(1))
    (claim,) = buckets.plan(2, plenty)
    buckets.claimed([claim], [at(5), at(6)], [1, 1])
    for _ in range(2):
        buckets.ended(1)
    claims = buckets.plan(2, lambda _: 2)
    buckets.failed(claims)
    (again,) = buckets.plan(2, lambda _: 2)
    assert again.bucket.position == START
    assert again.bucket.expected == GUESS - 2


def test_unknown_and_changed_buckets_are_to_be_read() -> None:
    buckets = served(row(1), row(2))
    assert buckets.arrived([Arrival(9, at(1), 1)]) == [9]
    assert buckets.arrived([Arrival(1, START, 0, is_changed=True)]) == [1]
    assert set(planned(buckets, 100)) == {2}


def test_claim_from_before_a_hold_says_nothing_of_the_bucket_after_its_release() -> None:
    for answer in (Buckets.failed, lambda buckets, claims: buckets.claimed(claims, [], [])):
        buckets = served(row(1))
        claims = buckets.plan(10, plenty)
        buckets.arrived([Arrival(1, START, 0, is_changed=True)])
        buckets.serve([row(1)])
        answer(buckets, claims)
        (claim,) = buckets.plan(10, plenty)
        assert claim.bucket is not claims[0].bucket


def test_bucket_without_jobs_is_forgotten_after_many_looks() -> None:
    buckets = served(row(1))
    (claim,) = buckets.plan(10, plenty)
    buckets.claimed([claim], [], [])
    looks = 0
    while not (dry := buckets.dry()):
        looks += 1
    assert looks > 10
    buckets.forget(dry)
    assert buckets.arrived([Arrival(1, at(0), 1)]) == [1]
