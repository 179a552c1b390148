"""Removes System V shared memory of a killed PostgreSQL, which nothing else would remove."""

from __future__ import annotations

import ctypes
from pathlib import Path

TABLE = Path("/proc/sysvipc/shm")
REMOVE = 0
"""IPC_RMID of shmctl(2)."""


def segment_of(pid_file: str) -> int | None:
    """Return the segment that a `postmaster.pid` names: its seventh line is key and number."""
    lines = pid_file.splitlines()
    fields = lines[6].split() if len(lines) > 6 else []
    return int(fields[1]) if len(fields) == 2 and fields[1].isdigit() else None


def attached(segment: int, owner: int) -> int | None:
    """Return how many processes use a segment of a user; None when that user has none such."""
    try:
        header, *rows = (line.split() for line in TABLE.read_text().splitlines())
    except (OSError, ValueError):
        return None
    segments = (dict(zip(header, row, strict=False)) for row in rows)
    named = (row for row in segments if int(row["shmid"]) == segment and int(row["uid"]) == owner)
    return next((int(row["nattch"]) for row in named), None)


def remove(segment: int, owner: int) -> None:
    """Remove a segment of a user that no process uses any more; idempotent."""
    if attached(segment, owner) == 0:
        ctypes.CDLL(None).shmctl(segment, REMOVE, None)
