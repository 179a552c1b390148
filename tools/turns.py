"""Taking turns: one process at a time works in a directory, the others wait and say so."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(directory: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Wait until nobody else works in `directory`; calls `waiting` once where that takes time.

    The turn of a process that was killed ends with it.
    """
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
