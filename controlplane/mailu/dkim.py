"""The DKIM key that Mailu signs with, as it shows it: one line of a zone, however long."""

from __future__ import annotations

import re

STRING = re.compile(r'"([^"]*)"')


def shows_key(line: str, *, domain: str, selector: str, public_key: str) -> bool:
    """Return whether a line has this key, under the name at which receivers look for it."""
    name = line.partition(" ")[0].lower().removesuffix(".")
    tags: dict[str, str] = {}
    for tag in "".join(STRING.findall(line)).split(";"):
        key, _, value = tag.partition("=")
        tags[key.strip()] = value.strip()
    return name == f"{selector}._domainkey.{domain}" and tags.get("p") == public_key
