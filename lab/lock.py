"""Locks: one lab with real hosts per machine, since its addresses exist once; one per directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kit.locks import locked
from kit.paths import checkout
from lab.faults import TAKEN
from lab.running import running

MACHINE_LOCK = Path("/run/penguinmails-lab")
"""Of the lab with real hosts; contains the lab's directory and checkout. Only root may write to its
directory, since the next lab clears the directory that the file names."""
OWN_LOCK = "lock"
"""Lock file of any lab, in its directory."""
LOCKS = Path("/proc/locks")


@contextmanager
def alone(directory: Path, path: Path, owner: Path | None = None) -> Iterator[Path | None]:
    """Hold the lock `path` for the lab in `directory` of a checkout, ours by default.

    Yields the directory of a lab that was killed while it held the lock. The file is removed at
    the end. Raises TAKEN.
    """

    def refuse() -> None:
        other = ""
        with suppress(FileNotFoundError):  # the other lab is just ending
            _, other = _parse(path.read_text())
        raise TAKEN(owner=other or "another checkout", where=path)

    with locked(path, refuse):
        killed, _ = _parse(path.read_text())
        with path.open("r+b", buffering=0) as file:  # the file is never empty meanwhile
            file.write(f"{directory}\n{owner or checkout()}\n".encode())
            file.truncate()
        try:
            yield Path(killed) if killed else None
        finally:
            path.unlink()  # a killed lab leaves it, for the next one to read


def holder(directory: Path, locks: Path = LOCKS) -> int | None:
    """Return the process of the lab in `directory`, None when there is none."""
    if not locks.exists():  # not Linux: only a started lab has written its process
        lab = running(directory)
        return lab.pid if lab and (directory / OWN_LOCK).exists() else None
    return holder_of(directory / OWN_LOCK, locks)


def holder_of(path: Path, locks: Path = LOCKS) -> int | None:
    """Return the process that holds a lock, None when there is none or no /proc/locks."""
    try:
        status, lines = path.stat(), locks.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if words[1] == "FLOCK" and words[5].endswith(f":{status.st_ino}"):
            pid = int(words[4])
            if _has_open(pid, status):
                return pid
    return None


def _has_open(pid: int, file: os.stat_result) -> bool:
    """Tell whether a process has a file open; another file system may use its number as well."""
    try:
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False  # it has ended, or belongs to another user
    for handle in handles:
        with suppress(OSError):  # it was closed meanwhile
            if os.path.samestat(handle.stat(), file):
                return True
    return False


def _parse(text: str) -> tuple[str, str]:
    """Return the directory of a lab, and the checkout that it was started from."""
    directory, _, owner = text.partition("\n")
    return directory.strip(), owner.strip()
