"""The processes of this machine, as /proc shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def command(pid: int) -> bytes:
    """Return the arguments of a process, each ended by a zero byte; none when it has ended."""
    return _read(pid, "cmdline")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, of all its threads."""
    try:
        return [
            int(child)
            for task in (PROC / str(pid) / "task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    for child in children(pid):
        yield from tree(child)


def with_variable(name: str, value: object) -> dict[int, str]:
    """Return the processes whose environment has this variable, with their commands."""
    wanted = f"{name}={value}\0".encode()
    pids = [int(entry.name) for entry in PROC.glob("[0-9]*")]
    found = {pid: command(pid) for pid in pids if wanted in _read(pid, "environ")}
    return {pid: line.replace(b"\0", b" ").decode() for pid, line in found.items() if line}


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
