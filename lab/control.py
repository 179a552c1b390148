"""Starts and ends the lab's process, and speaks to a running one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lab import leftovers
from lab.lock import MACHINE_LOCK, OWN_LOCK, alone, holder
from lab.place import FILE, LabError, LabPlace, running
from tools.places import cache_dir

START_DEADLINE = 600.0
"""Seconds; building layers for the first time takes most of them."""
STOP_DEADLINE = 60.0
LOG = "lab.log"
SHOWN, FAILED = "· ", "! "
"""How lines of the log begin that are shown, and the one that says why the lab ended."""


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
    command += ["--cache", str(cache_dir())]
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
            if line.startswith(SHOWN):
                progress(line.removeprefix(SHOWN))
        shown = len(lines)
        place = running(directory)
        if place is not None:
            process.returncode = 0  # it lives on without us
            return place
        if process.poll() is not None or time.monotonic() > deadline:
            raise _failure(lines, log)
        time.sleep(0.05)


def stop(directory: Path) -> bool:
    """End the lab, and clear what a killed one left; False when there was nothing of either.

    Returns when nothing of it is left on the machine. Raises LabError `lab.stop_failed`.
    """
    pid = holder(directory)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_DEADLINE
        while holder(directory) is not None or _lives(pid):
            if time.monotonic() > deadline:
                raise LabError(
                    "lab.stop_failed",
                    f"the lab (process {pid}) does not end",
                    remedy=f"`kill -KILL {pid}`, then `penguin lab down` again",
                    where=directory / LOG,
                )
            time.sleep(0.02)
    left = MACHINE_LOCK.exists()  # whoever was killed: its lock stayed
    if left and os.geteuid() == 0:
        try:
            with alone(directory, MACHINE_LOCK) as killed:
                leftovers.clear(killed or directory)
        except LabError as error:
            if error.code != "lab.taken":
                raise
            left = False  # another checkout's lab lives: nothing of ours is there
    (directory / OWN_LOCK).unlink(missing_ok=True)
    return pid is not None or left


def _lives(pid: int) -> bool:
    """Tell whether a process still does something; a zombie has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def _failure(lines: list[str], log: Path) -> LabError:
    reason = next((line for line in reversed(lines) if line.startswith(FAILED)), None)
    if reason is None:
        last = lines[-1] if lines else "it said nothing"
        return LabError("lab.start_failed", last, remedy="read its log", where=log)
    code, _, message = reason.removeprefix(FAILED).partition(" ")
    if code == "lab.taken":
        return LabError(code, message, remedy="end that one first, or use it")
    return LabError(code, message, remedy="read its log", where=log)
