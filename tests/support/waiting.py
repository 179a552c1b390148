"""Waits for what no event announces; tests have no other pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx2

from kit.waiting import wait_until

T = TypeVar("T")
SECONDS = 60.0
PAUSE_SECONDS = 0.02
NOT_YET = (httpx2.HTTPError, OSError, ValueError)
"""What a question raises while its answer cannot be given."""


def wait_for(answer: Callable[[], T], *, seconds: float = SECONDS, longest_pause: float = 0.1) -> T:
    """Return the first answer that is true; fails where there is none in time."""

    def given() -> T | None:
        try:
            return answer()
        except NOT_YET:
            return None

    found = wait_until(given, seconds=seconds, longest_pause=longest_pause)
    assert found, f"not within {seconds:.0f} s"
    return found


async def reached(
    answer: Callable[[], Awaitable[T]],
    accepted: Callable[[T], bool] = bool,
    *,
    seconds: float = SECONDS,
) -> T:
    """Return the first accepted answer; raises TimeoutError where there is none in time."""
    async with asyncio.timeout(seconds):
        while not accepted(found := await answer()):  # noqa: ASYNC110 - no event announces it
            await asyncio.sleep(PAUSE_SECONDS)
        return found
