"""Starts and ends the lab's process, and speaks to a running one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.place import FILE, LabError, LabPlace, running

START_DEADLINE = 600.0
"""Seconds; building layers for the first time takes most of them."""
STOP_DEADLINE = 60.0
LOG = "lab.log"


def start(
    directory: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
    *,
    missing: str | None,
) -> LabPlace:
    """Start the lab, or join the one that runs. Shows each part as it comes up.

    Raises LabError with `lab.taken` or `lab.start_failed`.
    """
    found = running(directory)
    if found is not None:
        progress("joined the lab that is running")
        return found
    directory.mkdir(parents=True, exist_ok=True)
    (directory / FILE).unlink(missing_ok=True)
    log = directory / LOG
    log.write_text("")
    command = [sys.executable, "-m", "lab.daemon", "--directory", str(directory)]
    command += ["--missing", missing] if missing else []
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            cwd=Path(__file__).resolve().parent.parent,
            start_new_session=True,
        )
    shown = 0
    deadline = time.monotonic() + START_DEADLINE
    while True:
        lines = log.read_text().splitlines()
        for line in lines[shown:]:
            progress(line)
        shown = len(lines)
        place = running(directory)
        if place is not None:
            process.returncode = 0  # it lives on without us
            return place
        if process.poll() is not None or time.monotonic() > deadline:
            raise _failure(lines, log)
        time.sleep(0.05)


def stop(directory: Path) -> bool:
    """End the lab; False when none was running. Returns when it has left nothing behind."""
    place = running(directory)
    if place is None:
        return False
    os.kill(place.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_DEADLINE
    while running(directory) is not None:
        if time.monotonic() > deadline:
            raise LabError(
                "lab.stop_failed",
                f"the lab (process {place.pid}) does not end",
                remedy=f"`kill -KILL {place.pid}`, then `penguin lab down` again",
                where=directory / LOG,
            )
        time.sleep(0.02)
    return True


def _failure(lines: list[str], log: Path) -> LabError:
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    if "LabError: another lab" in last:
        return LabError("lab.taken", last.partition("LabError: ")[2], remedy="end that one first")
    return LabError("lab.start_failed", last, remedy="read its log", where=log)
