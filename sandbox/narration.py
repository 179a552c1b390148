"""The output of the sandbox's commands."""

from __future__ import annotations


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def heading(text: str) -> None:
    """Print the heading of a section."""
    say(f"\n── {text} {'─' * max(0, 76 - len(text))}")
