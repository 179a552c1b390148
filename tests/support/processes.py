"""The processes of this machine, as /proc shows them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.waiting import wait_for

PROC = Path("/proc")
ESTABLISHED, SYN_SENT = "01", "02"
"""States in /proc/net/tcp."""
STOPPED = b"TZ"
"""States in /proc/<pid>/stat of a process that runs nothing: stopped, zombie."""


def command(pid: int) -> bytes:
    """Return the arguments of a process, each ended by a zero byte; none when it has ended."""
    return _read(pid, "cmdline")


def is_engine(pid: int) -> bool:
    """Tell whether a process is a command of Pulumi."""
    return Path(command(pid).partition(b"\0")[0].decode()).name == "pulumi"


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


@contextmanager
def suspended(*pids: int) -> Iterator[None]:
    """Keep processes from running.

    One that has ended stays a zombie while its parent is suspended: suspend the parent around
    its children, so that no PID disappears or is reused before they continue.
    """
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: all(_state(pid) in STOPPED for pid in pids))
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def mentioning(directory: Path, *, excluded: Sequence[str] = ()) -> dict[int, str]:
    """Return the processes that use a directory as argument, variable or working directory.

    Subdirectories named in `excluded` do not count.
    """
    ignored = "".join(rf"(?!/{re.escape(name)}\b)" for name in excluded)
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


def _state(pid: int) -> bytes:
    return _read(pid, "stat").rpartition(b") ")[2][:1]


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
