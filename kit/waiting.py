"""Waiting for what no event announces: other processes, files, servers."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(answer: Callable[[], bool], *, seconds: float) -> bool:
    """Ask until the answer is yes or the time is over; the pause doubles from 5 to 100 ms."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while not answer():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.1)
    return True
