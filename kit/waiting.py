"""Waiting by polling, where no event reports a change: other processes, files, servers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, seconds: float, longest_pause: float = 0.1) -> T:
    """Poll until the condition is true or the time is over; return its last value.

    The pause between two calls doubles from 5 ms to `longest_pause`.
    """
    deadline = time.monotonic() + seconds
    pause = min(0.005, longest_pause)
    while not (last := condition()) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 2, longest_pause)
    return last
