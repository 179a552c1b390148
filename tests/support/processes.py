"""The processes of this machine, as /proc shows them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
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


def mentioning(directory: Path, *, apart: Sequence[str] = ()) -> dict[int, str]:
    """Return the processes that know a directory: as argument, variable or working directory.

    What is below it by a name in `apart` does not count.
    """
    ignored = "".join(rf"(?!/{re.escape(name)}\b)" for name in apart)
    pattern = re.compile(f"{re.escape(str(directory))}{ignored}".encode())
    commands: dict[int, str] = {}
    for entry in PROC.glob("[0-9]*"):
        pid = int(entry.name)
        text = command(pid) + _read(pid, "environ")
        with suppress(OSError):
            text += bytes((entry / "cwd").readlink())
        if pattern.search(text) and pid != os.getpid():
            commands[pid] = command(pid).replace(b"\0", b" ").decode()
    return {pid: line for pid, line in commands.items() if line}


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
