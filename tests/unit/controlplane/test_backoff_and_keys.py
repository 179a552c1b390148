"""Waiting times, and API keys."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from controlplane.identity.keys import create_key, hash_key, matches, prefix_of
from controlplane.schedule.repository import backoff

BASE, CAP = timedelta(seconds=2), timedelta(minutes=5)


@given(st.integers(0, 10_000), st.integers())
def test_a_wait_is_never_longer_than_it_may(attempts: int, seed: int) -> None:
    wait = backoff(attempts, base=BASE, cap=CAP, rng=random.Random(seed))  # noqa: S311 - jitter
    assert timedelta(0) <= wait <= min(CAP, BASE * 2 ** min(attempts, 12))


def test_waits_of_many_are_spread_over_the_whole_range() -> None:
    rng = random.Random(1)  # noqa: S311 - jitter
    waits = [backoff(20, base=BASE, cap=CAP, rng=rng) for _ in range(200)]
    assert min(waits) < CAP * 0.1
    assert max(waits) > CAP * 0.9


def test_a_key_is_found_by_its_prefix_and_known_by_its_hash_under_one_pepper() -> None:
    key = create_key(b"pepper")
    assert key.prefix == prefix_of(key.secret)
    assert key.secret not in repr(key)
    assert matches(key.secret, key.hash, b"pepper")
    assert not matches(key.secret + "x", key.hash, b"pepper")
    assert hash_key(key.secret, b"other") != key.hash
