"""Storable identities of processes, since the system reuses process ids."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from kit.waiting import wait_until

PROC = Path("/proc")


def identity(pid: int, proc: Path = PROC) -> str | None:
    """Return `pid.start`, which no later process with that id has; None when it has ended."""
    try:
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None if (proc / "self").exists() else _identity_without_proc(pid)
    return None if fields[0] == "Z" else f"{pid}.{fields[19]}"


def own_identity(proc: Path = PROC) -> str:
    """Return the identity of this process."""
    return str(identity(os.getpid(), proc))


def is_running(stored: str, proc: Path = PROC) -> bool:
    """Return whether the process of a stored identity is still running."""
    pid, _, start = stored.partition(".")
    return bool(start) and pid.isdigit() and identity(int(pid), proc) == stored


def has_ended(stored: str, *, within: float) -> bool:
    """Wait for the process of a stored identity to end, so many seconds; return whether it has."""
    return wait_until(lambda: not is_running(stored), seconds=within)


def machine(proc: Path = PROC) -> str:
    """Return what the identities of processes belong to: a start of a kernel and its namespace.

    Containers may have the same host name; where there is no /proc, that is all there is.
    """
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(proc / 'self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _identity_without_proc(pid: int) -> str | None:
    """Return the identity on systems other than Linux."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
    )
    state, _, start = done.stdout.strip().partition(" ")
    if not start or state.startswith("Z"):
        return None
    return f"{pid}.{time.mktime(time.strptime(start.strip(), '%a %b %d %H:%M:%S %Y')):.0f}"
