"""Private directories of runs: in memory, readable by root only, and removed after the run."""

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
    """The memory file system if the machine has one, so that no secret is written to disk."""
    return MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())


@contextmanager
def private_directory(root: Path) -> Iterator[Path]:
    """A directory (0700) for one run; afterwards all remaining processes of the run are killed.

    First removes the secrets and kills the Ansible processes of runs whose process has died.
    """
    clear_abandoned(root)
    private = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{own_identity()}-", dir=root))
    try:
        yield private
    finally:
        _clear(private)


def environment_mark(private: Path) -> tuple[str, str]:
    """The variable that identifies the processes of a run; it also sets Ansible's home."""
    return "ANSIBLE_HOME", str(private / "tmp")


def clear_abandoned(root: Path) -> int:
    """Clear the directories of dead processes; return how many there were."""
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
