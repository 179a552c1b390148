"""Private directories of runs: in memory, for root alone, and removed with the run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.leftovers import end_leftovers
from kit.processes import is_running, own_identity

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
    private = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{own_identity()}-", dir=root))
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
        owner, _, _ = private.name.removeprefix(PREFIX).partition("-")
        if not is_running(owner):
            _clear(private)
            cleared += 1
    return cleared


def _clear(private: Path) -> None:
    end_leftovers("=".join(environment_mark(private)))
    shutil.rmtree(private, ignore_errors=True)
