"""Containers of several processes: all of them end when one does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

Command = Sequence[str]
DOVECOT_PID = Path("/run/dovecot/master.pid")
"""A killed Dovecot leaves this file; at the next start its number may be another process's."""


def run(commands: Sequence[Command], environ: Mapping[str, str]) -> None:
    """Run commands until one of them ends, then end the others and this process.

    As the first process of a container it also waits for processes that others have left.
    """
    processes: dict[int, str] = {}
    signal.signal(signal.SIGTERM, _ender(processes))
    # A request to end comes before or after the start of all: else it would miss one.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    for command in commands:
        pid = os.posix_spawnp(command[0], list(command), dict(environ), setsigmask=())
        processes[pid] = " ".join(command)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while True:
        pid, status = os.wait()
        if pid in processes:
            code = os.waitstatus_to_exitcode(status)
            print(f"stand-in: {processes.pop(pid)} ended: {code}", flush=True)
            _end(processes)
            sys.exit(code if code > 0 else 1)


def _ender(processes: Mapping[int, object]) -> Callable[[int, FrameType | None], None]:
    def end(_: int, __: FrameType | None) -> None:
        _end(processes)
        sys.exit(0)

    return end


def _end(processes: Mapping[int, object]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    for pid in processes:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
