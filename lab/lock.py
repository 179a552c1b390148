"""Locks: one lab with real hosts per machine, since its addresses exist once; one per directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lab.place import LabError

MACHINE_LOCK = Path("/run/lock/penguinmails-lab")
"""Of the lab with real hosts; it holds the directory of that lab."""
OWN_LOCK = "lock"
"""Of any lab, in its directory."""


@contextmanager
def alone(directory: Path, path: Path) -> Iterator[Path | None]:
    """Hold the lock `path` for the lab in `directory`; raises LabError `lab.taken`.

    Yields the directory of a lab that was killed while it held the lock. The file goes with us.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as lock:
        lock.seek(0)
        killed = lock.read().strip()
        lock.truncate(0)
        lock.write(str(directory))
        lock.flush()
        try:
            yield Path(killed) if killed else None
        finally:
            path.unlink()  # a killed one cannot: its name stays for the next


def holder(directory: Path) -> int | None:
    """Return the process of the lab in `directory`, None when there is none."""
    try:
        seen = (directory / OWN_LOCK).stat()
    except OSError:
        return None
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] == "FLOCK" and words[5].endswith(f":{seen.st_ino}"):
            return int(words[4])
    return None


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    while True:
        with path.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                owner = lock.read().strip() or "another checkout"
                raise LabError(
                    "lab.taken",
                    f"another lab runs here, kept by {owner}",
                    remedy="end it there with `penguin lab down`, or use that one",
                    where=path,
                ) from None
            if path.exists() and path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                yield lock
                return  # else its holder removed it just before we got it
