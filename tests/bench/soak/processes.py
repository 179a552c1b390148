"""Workers and producers of a run, as processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from kit.paths import checkout
from tests.bench.sender.memory import pss

PATIENCE = 90.0


class Process:
    """One of the bench's modules as a process; each line of its input is answered by one."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.soak.{module}", *arguments],
            cwd=checkout(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def memory(self) -> float:
        """The proportional set size in MB."""
        return pss(self._process.pid)

    def ask(self, line: str = "") -> dict[str, Any]:
        """Send a line; return what it has measured since the last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def workers(dsn: str, count: int, kind: str = "usual") -> Iterator[list[Process]]:
    """Run workers as long as the context is entered; `empty` ones do nothing with jobs."""
    with ExitStack() as stack:
        started = []
        for number in range(count):
            process = Process("worker", dsn, f"worker-{number}", kind)
            stack.callback(process.end)
            started.append(process)
        yield started


@contextmanager
def producer(dsn: str, rate: float) -> Iterator[Process]:
    """Enqueue so many jobs a second into the buckets that are not held."""
    process = Process("producer", dsn, str(rate))
    try:
        yield process
    finally:
        process.end()
