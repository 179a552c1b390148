"""Processes of the bench: started, asked, measured and ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from kit.paths import checkout

PATIENCE = 60.0


class Process:
    """One of the bench's modules as a process; gets its values as the first line of its input."""

    def __init__(self, module: str, log: Path | None = None, **values: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.sender.{module}"],
            cwd=checkout(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if log is None else log.open("w"),
            stderr=subprocess.STDOUT if log is not None else None,
            text=True,
        )
        self._send(json.dumps(values))

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def ask(self, command: str = "") -> Any:
        """Send a line, if any, and return what is answered."""
        if command:
            self._send(command)
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, and wait until it has."""
        self._process.send_signal(number)
        self._process.wait(PATIENCE)

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextmanager
def running(module: str, *, log: Path | None = None, **values: Any) -> Iterator[Process]:
    """Run a process as long as the context is entered."""
    process = Process(module, log, **values)
    try:
        yield process
    finally:
        process.stop(signal.SIGKILL)


def cpu(pids: Iterable[int]) -> float:
    """Return the seconds of processor time that processes and those they started have used.

    A process counts for its parent once that has waited for it.
    """
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # it has ended, and counts for its parent
                used = one.cpu_times()
                total += used.user + used.system + used.children_user + used.children_system
    return total
