"""Locks between processes of one machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(
    path: Path, waiting: Callable[[], None] = lambda: None, *, shared: bool = False
) -> Iterator[None]:
    """Hold the lock of a directory, or of a file, which is created if it is missing.

    A shared one admits other shared ones. A file that is a link is refused. One that is created can
    be opened, and its lock held, by its owner only. Waits for another holder, after one call of
    `waiting`. The kernel releases the lock of a killed process.
    """
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    flags = os.O_RDONLY if path.is_dir() else os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW
    while True:
        handle = os.open(path, flags, 0o600)
        try:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(handle, kind)
            if _is_named(path, handle):
                yield
                return
        finally:
            os.close(handle)


def _is_named(path: Path, handle: int) -> bool:
    """Return whether a path still names an open file: another holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
