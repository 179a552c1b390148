"""Locks of stacks, and records of engines, as dead and living processes leave them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from kit import processes
from stacks.backend import Engine, Stacks


def dead_process() -> int:
    """Return the number of a process that has just ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@contextmanager
def sleeping(mark: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process with an operation's mark that waits for input."""
    name, _, value = mark.partition("=")
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, env={name: value}, stdin=subprocess.PIPE) as process:
        yield process


def dead_engine(
    pid: int, *, host: str = socket.gethostname(), machine: str = processes.machine()
) -> Engine:
    """Return the record of an engine that has ended, whose controller has ended, too."""
    return Engine(host, machine, pid, f"{pid}.1", "1.1", "an-unused-mark", 0)


def record(environment: dict[str, str], engine: Engine) -> Path:
    """Record an engine; return the file."""
    Stacks(environment["PULUMI_BACKEND_URL"]).record("acme", engine)
    state = Path(urlsplit(environment["PULUMI_BACKEND_URL"]).path)
    return state / f".pulumi/engines/penguin/acme/{engine.host}-{engine.pid}.json"


def write_lock(environment: dict[str, str], *, pid: int, host: str) -> Path:
    state = Path(urlsplit(environment["PULUMI_BACKEND_URL"]).path)
    lock = state / ".pulumi/locks/organization/penguin/acme/0b1c.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "pid": pid,
        "username": "carla",
        "hostname": host,
        "timestamp": "2026-11-24T10:00:00Z",
    }
    lock.write_text(json.dumps(content))
    return lock
