"""Private directories of runs: in memory, for root alone, and gone with the run or soon after."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.leftovers import end_leftovers

MEMORY = Path("/dev/shm")  # noqa: S108 - memory-backed, and the directory below it is 0700
PREFIX = "penguin-run-"


def default_root() -> Path:
    """Memory where the machine has a memory file system, so that secrets never meet a disk."""
    return MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())


@contextmanager
def private_directory(root: Path) -> Iterator[Path]:
    """A directory (0700) for one run; at its end every process of the run is ended too.

    First clears what runs of dead processes left: their secrets, and Ansible still at work.
    """
    clear_abandoned(root)
    owner = f"{os.getpid()}.{_started(os.getpid())}"
    private = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{owner}-", dir=root))
    try:
        yield private
    finally:
        _clear(private)


def environment_mark(private: Path) -> tuple[str, str]:
    """The variable by which processes of a run are found; it is also Ansible's own home."""
    return "ANSIBLE_HOME", str(private / "tmp")


def clear_abandoned(root: Path) -> int:
    """Clear the directories of processes that are dead; return how many there were."""
    cleared = 0
    for private in root.glob(f"{PREFIX}*"):
        pid, _, started = private.name.removeprefix(PREFIX).partition("-")[0].partition(".")
        if pid.isdigit() and _started(int(pid)) != started:
            _clear(private)
            cleared += 1
    return cleared


def _clear(private: Path) -> None:
    end_leftovers("=".join(environment_mark(private)))
    shutil.rmtree(private, ignore_errors=True)


def _started(pid: int) -> str:
    """Start of a process in clock ticks since boot, so that a number used again is told apart."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _without_proc(pid)
    return text.rpartition(")")[2].split()[19]


def _without_proc(pid: int) -> str:
    """Where there is no /proc a living process is told by a signal that does nothing."""
    if Path("/proc/self/stat").exists():
        return "dead"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "dead"
    except PermissionError:
        return "alive"
    return "alive"
