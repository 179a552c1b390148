"""What a person watches while something long goes on: steps with durations, headings, commands."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

QUIET = 30
"""Seconds of a step about which a log hears nothing new."""


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def heading(text: str) -> None:
    """Begin a part."""
    say(f"\n── {text} {'─' * max(0, 76 - len(text))}")


class ProgressLine:
    """One line that is written over while a person watches; in a log, one every half minute."""

    def __init__(self, title: str, *, steps_are_news: bool = True) -> None:
        self._title = title
        self._steps_are_news = steps_are_news
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self._started = time.monotonic()
        self._said: tuple[str, float] = ("", self._started)

    def say(self, text: str) -> None:
        """Show where the work is; `text` without figures names the step."""
        now = time.monotonic()
        step = text.split("  ")[0]
        is_news = self._steps_are_news and step != self._said[0]
        if not self._live and not is_news and now - self._said[1] < QUIET:
            return
        self._said = (step, now)
        line = f"  … {self._title}: {text}  {now - self._started:.0f} s"
        if self._live:
            # A line that wraps cannot be written over.
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{line[:width]}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for something that stays."""
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> ProgressLine:
        """Start the line."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the line."""
        self.clear()


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
