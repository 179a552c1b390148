"""Waiting for what no event announces: other processes, files, servers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(answer: Callable[[], T], *, seconds: float, longest_pause: float = 0.1) -> T:
    """Ask until the answer is true or the time is over; return the last answer.

    The pause between two questions doubles from 5 ms to `longest_pause`.
    """
    deadline = time.monotonic() + seconds
    pause = min(0.005, longest_pause)
    while not (last := answer()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 2, longest_pause)
    return last
