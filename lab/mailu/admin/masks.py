"""`X-Fields`: which fields a list shows."""

from __future__ import annotations

import re
from collections.abc import Callable

from lab.mailu.admin.messages import Aborted

MASK = re.compile(r"(\w[\w ]*|\*)(,(\w[\w ]*|\*))*")


def wanted(header: str | None) -> Callable[[str], bool]:
    """Return whether a list shows a field."""
    if not header:
        return lambda _: True
    text = re.sub(r"\s*,\s*", ",", header.strip())
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    if not MASK.fullmatch(text):
        raise Aborted(400, "The mask X-Fields is broken")
    names = set(text.split(","))
    return lambda name: "*" in names or name in names
