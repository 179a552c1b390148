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
def test_backoff_never_exceeds_its_cap(attempts: int, seed: int) -> None:
    wait = backoff(attempts, base=BASE, cap=CAP, rng=random.Random(seed))  # noqa: S311 - jitter
    assert timedelta(0) <= wait <= min(CAP, BASE * 2 ** min(attempts, 12))


def test_backoff_is_spread_over_the_whole_range() -> None:
    rng = random.Random(1)  # noqa: S311 - jitter
    waits = [backoff(20, base=BASE, cap=CAP, rng=rng) for _ in range(200)]
    assert min(waits) < CAP * 0.1
    assert max(waits) > CAP * 0.9


def test_key_matches_its_hash_under_one_pepper_only() -> None:
    key = create_key(b"pepper")
    assert key.prefix == prefix_of(key.secret)
    assert key.secret not in repr(key)
    assert matches(key.secret, key.hash, b"pepper")
    assert not matches(key.secret + "x", key.hash, b"pepper")
    assert hash_key(key.secret, b"other") != key.hash
