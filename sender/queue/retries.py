"""How long a job waits before it is tried again."""

from __future__ import annotations

import random
from datetime import timedelta

FIRST = 2.0
LONGEST = 300.0
JITTER = 0.25


def delay(attempt: int) -> timedelta:
    """Return the wait after an attempt: 2 s, doubling up to 5 minutes, a quarter more or less."""
    seconds = min(LONGEST, FIRST * 2 ** (min(attempt, 30) - 1))
    return timedelta(seconds=seconds * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 - no secret
