"""The terminal: its width, and how long or untrusted texts are printed on it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TextIO

WIDTH = 80
"""Columns where the width of the terminal is not known."""
NARROWEST = 20


def width() -> int:
    """Return the columns of the terminal."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def terminal_width() -> int | None:
    """Return the width that tables on standard output have to fit; None in a pipe."""
    return width() if is_terminal(sys.stdout) else None


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal."""
    return stream is not None and stream.isatty()


def printable(text: object) -> str:
    """Return a text in one line; control characters are replaced by U+FFFD."""
    line = " ".join(str(text).splitlines())
    return "".join(c if c == "\t" or c.isprintable() else "\ufffd" for c in line)


def wrapped(text: object, *, first: str = "", indent: str | None = None) -> str:
    """Wrap a text to the terminal, with `first` before line one and `indent` before the others.

    A word that is longer than a line stays whole, so that it can be copied.
    """
    return (
        textwrap.fill(
            printable(text),
            max(width(), NARROWEST),
            initial_indent=first,
            subsequent_indent=" " * len(first) if indent is None else indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        or first.rstrip()
    )


def on_terminal(
    text: object, *, first: str = "", indent: str | None = None, stream: TextIO | None = None
) -> str:
    """Return a text wrapped on a terminal, and in one line in a pipe."""
    if is_terminal(stream or sys.stdout):
        return wrapped(text, first=first, indent=indent)
    return first + printable(text)
