"""Directories of runs, below the state directory: one for each process, which it removes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kit.paths import state_dir
from tests.support.small_disk import unmount
from tools.servers import Postgres, Valkey

POSTGRES, VALKEY = "postgres", "valkey"


def begin(suite: str) -> Path:
    """Make the directory of this process; clear those of processes that were killed."""
    root = state_dir() / suite
    for abandoned in root.iterdir() if root.exists() else ():
        if not Path(f"/proc/{abandoned.name}").exists():
            Postgres(abandoned / POSTGRES).stop()
            Valkey(abandoned / VALKEY).stop()
            remove(abandoned)
    directory = root / str(os.getpid())
    directory.mkdir(parents=True)
    return directory


def remove(directory: Path) -> None:
    """Remove a directory, and the disks in it."""
    for child in directory.iterdir():
        unmount(child)
    shutil.rmtree(directory, ignore_errors=True)
