"""Polls conditions that have no event; tests sleep nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx2

from kit.waiting import wait_until

T = TypeVar("T")
SECONDS = 240.0
"""Only a test that fails waits so long: a loaded machine may need many."""
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.05
"""Pauses grow: a probe takes more processor time than what it waits for."""
NOT_YET = (httpx2.HTTPError, OSError, ValueError)
"""Errors of a probe while its result is not available yet."""


def wait_for(probe: Callable[[], T], *, seconds: float = SECONDS, longest_pause: float = 0.1) -> T:
    """Return the first true result of a probe; fail if there is none in time."""

    def attempt() -> T | None:
        try:
            return probe()
        except NOT_YET:
            return None

    result = wait_until(attempt, seconds=seconds, longest_pause=longest_pause)
    assert result, f"not within {seconds:.0f} s"
    return result


async def reached(
    probe: Callable[[], Awaitable[T]],
    accepted: Callable[[T], bool] = bool,
    *,
    seconds: float = SECONDS,
) -> T:
    """Return the first accepted result; raises TimeoutError if there is none in time."""
    pause = PAUSE_SECONDS
    async with asyncio.timeout(seconds):
        while not accepted(result := await probe()):
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)
        return result
