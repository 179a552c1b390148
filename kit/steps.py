"""Lines that show the steps of a command, and how long each takes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(name: str) -> Iterator[None]:
    """Count the seconds of a step on a terminal while it runs, and print them at its end."""
    started = time.monotonic()
    done = threading.Event()

    def tick() -> None:
        while not done.wait(1):
            print(f"\r  … {name}  {time.monotonic() - started:.0f} s", end="", flush=True)

    ticker = threading.Thread(target=tick, daemon=True)
    if sys.stdout.isatty():
        ticker.start()
    try:
        yield
    finally:
        done.set()
        if ticker.is_alive():
            ticker.join()
            print("\r", end="")
    print(f"  ✓ {name}  {time.monotonic() - started:.1f} s", flush=True)
