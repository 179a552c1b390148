"""Configuration files with values of the environment: `@{name}` stands for one."""

from __future__ import annotations

import re
from pathlib import Path

DIRECTORY = Path(__file__).with_name("conf")
NAME = re.compile(r"@\{([a-z_]+)\}")


def text_of(name: str, **values: object) -> str:
    """Return a file of `conf` with its values. Raises KeyError if one is missing."""
    return NAME.sub(lambda found: str(values[found[1]]), (DIRECTORY / name).read_text())


def write(path: Path, text: str) -> None:
    """Write a file, and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
