"""What a process of ours hands on to those that it starts: no setting, no secret."""

from __future__ import annotations

import os

CONTROL_PLANE = "PENGUIN_SERVE"
"""In every process of a control plane: its state directory."""
PART = "PENGUIN_PART"
"""In every process that one process of a part has started."""
NAMES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "NO_COLOR",
    "PYTHONUNBUFFERED",
    CONTROL_PLANE,
    PART,
)
"""By the last two, what a killed process has left is found and ended (`kit.leftovers`)."""


def inherited() -> dict[str, str]:
    """Return the variables that a process inherits; what else it needs is given to it."""
    return {name: os.environ[name] for name in NAMES if name in os.environ}
