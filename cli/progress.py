"""A line that shows the progress of long work."""

from __future__ import annotations

import shutil
import sys
import time

REPEAT = 30
"""Seconds after which a log repeats the line of a step that is still running."""


class ProgressLine:
    """One line that is overwritten on a terminal; in a log, one for each step and half minute."""

    def __init__(self, title: str, *, log_steps: bool = True) -> None:
        self._title = title
        self._log_steps = log_steps
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self._started = time.monotonic()
        self._written: tuple[str, float] = ("", self._started)

    def update(self, text: str) -> None:
        """Show the progress; the part of `text` before two spaces names the step."""
        now = time.monotonic()
        step = text.split("  ")[0]
        is_new_step = self._log_steps and step != self._written[0]
        if not self._live and not is_new_step and now - self._written[1] < REPEAT:
            return
        self._written = (step, now)
        line = f"  … {self._title}: {text}  {now - self._started:.0f} s"
        if self._live:
            # A line that wraps cannot be overwritten.
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{line[:width]}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the line before other output."""
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> ProgressLine:
        """Start the line."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the line."""
        self.clear()
