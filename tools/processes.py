"""What a living process was started as: numbers alone are used again."""

from __future__ import annotations

import psutil


def command_of(pid: int) -> list[str]:
    """Return the arguments of a process; none when it has ended, or may not be looked at."""
    try:
        return list(psutil.Process(pid).cmdline())
    except psutil.Error:
        return []
