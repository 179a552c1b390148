"""Starts and ends the lab's process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from kit.faults import Fault
from kit.locks import locked
from kit.paths import cache_dir
from kit.processes import identity
from kit.waiting import wait_until
from lab import leftovers
from lab.faults import FAILED, FAULTS, REMAINS, TAKEN
from lab.lock import MACHINE_LOCK, OWN_LOCK, alone, holder
from lab.running import FILE, RunningLab, running

START_SECONDS = 600.0
"""Building layers for the first time takes most of them."""
STOP_SECONDS = 600.0
"""Removing disks with containers takes a minute on a loaded machine."""
LOG = "lab.log"
SHOWN, ENDED = "· ", "! "
"""Prefixes of the log's progress lines, and of the line with the fault that ended the lab."""


def start(
    directory: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
    *,
    missing: str | None,
    golden: bool = False,
    deadline: float = START_SECONDS,
) -> RunningLab:
    """Start the lab, unless it runs; `progress` gets a line for each part.

    Hosts begin with the packages that the playbooks install if `golden`.
    A lab that does not start in time, or whose start is interrupted (Ctrl-C), is ended.
    Raises TAKEN or FAILED.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # A second start waits for the first, or it would remove the log and file of the first.
    with locked(directory, lambda: progress("waiting for another start")):
        lab = running(directory)
        if lab is not None:
            progress("the lab was running already")
            return lab
        process = _launch(directory, environment, missing, golden=golden)
        try:
            return _wait(process, directory, progress, deadline)
        except BaseException:
            _end(process)
            raise


def _launch(
    directory: Path, environment: Mapping[str, str], missing: str | None, *, golden: bool
) -> subprocess.Popen[bytes]:
    (directory / FILE).unlink(missing_ok=True)
    command = [sys.executable, "-m", "lab.daemon", "--directory", str(directory)]
    command += ["--cache", str(cache_dir())]
    command += ["--missing", missing] if missing else []
    command += ["--golden"] if golden else []
    with (directory / LOG).open("w") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            cwd=Path(__file__).resolve().parent.parent,
            start_new_session=True,
        )


def _wait(
    process: subprocess.Popen[bytes],
    directory: Path,
    progress: Callable[[str], None],
    seconds: float,
) -> RunningLab:
    """Report the log's progress lines until the lab runs."""
    log = directory / LOG
    shown = 0
    deadline = time.monotonic() + seconds
    while True:
        lines = log.read_text(errors="replace").splitlines()
        for line in lines[shown:]:
            if line.startswith(SHOWN):
                progress(line.removeprefix(SHOWN))
        shown = len(lines)
        lab = running(directory)
        if lab is not None:
            process.returncode = 0  # it keeps running after this command
            return lab
        if process.poll() is not None:
            raise _failure(log.read_text(errors="replace").splitlines(), log)
        if time.monotonic() > deadline:
            reason = f"it took longer than {seconds:.0f} s"
            raise FAILED(part="the start of the lab", reason=reason, where=log)
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a lab whose start failed; `stop` clears what a killed one leaves."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stop(
    directory: Path,
    *,
    deadline: float = STOP_SECONDS,
    machine_lock: Path = MACHINE_LOCK,
    is_root: bool | None = None,
) -> bool:
    """End the lab, and clear what a killed one left; return False when there was neither.

    Returns when nothing of it is left on the machine. Raises REMAINS.
    """
    pid = holder(directory)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not wait_until(
            lambda: holder(directory) is None and identity(pid) is None, seconds=deadline
        ):
            raise REMAINS(what=f"process {pid}", where=directory / LOG)
    cleared = (os.geteuid() == 0 if is_root is None else is_root) and _clear_hosts(
        directory, machine_lock
    )
    return _clear_own(directory) or cleared or pid is not None


def _clear_hosts(directory: Path, machine_lock: Path) -> bool:
    """Clear what a killed lab with real hosts left; False where there is nothing to clear."""
    if not leftovers.of(directory, machine_lock):
        return False
    try:
        with alone(directory, machine_lock) as killed:
            leftovers.clear(*{killed or directory, directory})
            leftovers.clear_builds(cache_dir())
    except Fault as fault:
        if fault.code is not TAKEN:
            raise
        return False  # the lab of another checkout runs
    return True


def _clear_own(directory: Path) -> bool:
    """Remove the files of a killed lab; False where there are none."""
    file, lock = directory / FILE, directory / OWN_LOCK
    left = file.exists() or lock.exists()
    if left:
        with suppress(Fault), alone(directory, lock):  # unless another lab is starting
            file.unlink(missing_ok=True)
    return left


def _failure(lines: list[str], log: Path) -> Fault:
    """Return the fault that a lab ended with, from its log."""
    ended = next((line for line in reversed(lines) if line.startswith(ENDED)), None)
    if ended is not None:
        name, message, remedy = json.loads(ended.removeprefix(ENDED))
        return Fault(FAULTS.get(name) or FAILED, message, remedy, where=str(log))
    last = lines[-1] if lines else "its log is empty"
    return FAILED(part="the start of the lab", reason=last, where=log)
