"""Lines of build/bench.json: each target of the Makefile replaces its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kit.paths import checkout


@dataclass
class Figure:
    """One line of the result."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    ratio: float | None = None


def store(figures: Sequence[Figure], prefix: str = "", path: Path | None = None) -> None:
    """Replace the lines with this prefix and a colon in their names; without it, all others."""
    path = path or checkout() / "build" / "bench.json"
    path.parent.mkdir(exist_ok=True)
    before = json.loads(path.read_text()) if path.exists() else []
    kept = [line for line in before if _prefix(line["name"]) != prefix]
    lines = [*kept, *map(asdict, figures)]
    path.write_text(json.dumps(lines, indent=1) + "\n")


def _prefix(name: str) -> str:
    before, colon, _ = name.partition(": ")
    return before if colon else ""
