"""Pauses of a loop, which end early when an event is set."""

from __future__ import annotations

import asyncio


async def pause(event: asyncio.Event, seconds: float) -> bool:
    """Wait until an event is set, for `seconds` at most; return whether it is.

    Not by `asyncio.wait_for`, which before Python 3.12 may lose the cancellation of its caller when
    the event is set at the same moment.
    """
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
