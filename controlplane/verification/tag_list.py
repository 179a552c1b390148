"""Tag lists of DKIM keys and DMARC records (RFC 6376 3.2)."""

from __future__ import annotations

import re

_TAG = re.compile(r"\s*([a-z][a-z0-9_]*)\s*=\s*(.*?)\s*", re.IGNORECASE | re.DOTALL)


class TagMistake(Exception):
    """The text is no tag list; the message says why."""


def parse(text: str, *, lenient: bool = False) -> dict[str, str]:
    """Return the values by tag, in order. Raises TagMistake.

    `lenient` ignores what is no tag, and the case of names, which DKIM tells apart.
    """
    tags: dict[str, str] = {}
    specs = text.split(";")
    if not specs[-1].strip():
        specs.pop()
    for spec in specs:
        tag = _TAG.fullmatch(spec)
        if tag is None and lenient:
            continue
        if tag is None:
            raise TagMistake(f"{spec.strip()!r} is no tag")
        name = tag[1].lower() if lenient else tag[1]
        if name in tags:
            raise TagMistake(f"the tag {name}= is there twice")
        tags[name] = tag[2]
    return tags


def unfolded(value: str) -> str:
    """Return a value without white space, which Base64 may contain (RFC 6376 3.2)."""
    return "".join(value.split())
