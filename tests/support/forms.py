"""Forms of web pages, as a browser sends them."""

from __future__ import annotations

import re

HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*>')
BUTTON = re.compile(r'name="(submit\w+)"')


def hidden_fields(page: str) -> dict[str, str]:
    """Return what a page sends along with what a person enters, its first button included."""
    fields = {_attribute(tag, "name"): _attribute(tag, "value") for tag in HIDDEN.findall(page)}
    button = BUTTON.search(page)
    return fields | ({button[1]: "1"} if button else {})


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return found[1] if found else ""
