"""The processes of this machine, as /proc shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
ESTABLISHED, SYN_SENT = "01", "02"
"""States in /proc/net/tcp."""


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


def mentioning(path: Path) -> dict[int, str]:
    """Return the processes that know a directory: as argument, variable or working directory."""
    text, found = str(path).encode(), {}
    for entry in PROC.glob("[0-9]*"):
        pid = int(entry.name)
        known = command(pid) + _read(pid, "environ")
        with suppress(OSError):
            known += bytes((entry / "cwd").readlink())
        if text in known and pid != os.getpid():
            found[pid] = command(pid).replace(b"\0", b" ").decode()
    return {pid: line for pid, line in found.items() if line}


def connects_to(port: int) -> bool:
    """Tell whether a process of this machine has, or opens, a TCP connection to this port."""
    rows = (line.split() for line in (PROC / "net" / "tcp").read_text().splitlines()[1:])
    return any(
        int(row[2].partition(":")[2], 16) == port and row[3] in (ESTABLISHED, SYN_SENT)
        for row in rows
    )


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
