"""One line that says where something long is."""

from __future__ import annotations

import shutil
import sys
import time

QUIET = 30
"""Seconds of a step about which a log hears nothing new."""


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
