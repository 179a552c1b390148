"""The output of the sandbox's commands: headings, steps with durations."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def heading(text: str) -> None:
    """Begin a part."""
    say(f"\n── {text} {'─' * max(0, 76 - len(text))}")


@contextmanager
def step(name: str) -> Iterator[None]:
    """Count the seconds of a step while it lasts, and print them at its end."""
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
    say(f"  ✓ {name}  {time.monotonic() - started:.1f} s")
