"""A wrong clock for single processes: libfaketime, from a lock file of its own, below build/."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from kit.paths import checkout

LOCK = "requirements/chaos-queue.txt"
WRONG = ("+3d", "-3d")
"""What processes add to the true time: senders."""
AN_HOUR = ("+1h", "-1h")
"""Reconcilers."""
DAY = 86_400
FOR_EVER = "1000000000"
"""Seconds."""
NAME = "FAKETIME"


def environment() -> dict[str, str]:
    """Return the environment in which a process, and each that it forks, can set its own clock."""
    directory = checkout() / "build" / "chaos-queue"
    library = directory / "libfaketime" / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    if not library.exists():
        pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check")
        lock = ("--require-hashes", "--no-deps", "-r", str(checkout() / LOCK))
        subprocess.run((*pip, *lock, "--target", str(directory)), check=True)
    return {"LD_PRELOAD": str(library), "DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}


def wrong(by: str) -> dict[str, str]:
    """Return the environment in which a process, and each that it forks, has a wrong clock.

    Unlike one that a process sets itself, it is parsed once: threads may ask for the time.
    """
    kept = {name: value for name, value in environment().items() if "CACHE" not in name}
    return {**kept, NAME: by, "FAKETIME_CACHE_DURATION": FOR_EVER}


def shift(by: str) -> None:
    """Set this process's clock wrong from now on."""
    before = time.time()
    os.environ[NAME] = by
    shifted = round((time.time() - before) / DAY)
    assert f"{shifted:+}d" == by, f"the clock is {shifted} days off, not {by}"
