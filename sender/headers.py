"""Writes header values that hold a caller's text, so that it stays text.

The standard library parses a value before it writes it: an encoded word in a subject is decoded,
line breaks and all, and a long display name loses its quotes. Here nothing is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from email.header import Header

LINE = 76
"""Columns of a folded line."""
LONGEST_WORD = 400
"""A word that cannot be folded; far below the 998 octets of a line (RFC 5322 2.1.1)."""
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
WORD = re.compile(r" *[^ ]+")


def unstructured(name: str, text: str) -> str:
    """Return one field with free text (`Subject`), folded, with its line end."""
    text = text.strip(" ")
    words = WORD.findall(f" {text}")
    if not _plain(text) or any(len(word) > LONGEST_WORD for word in words):
        return f"{name}: {_encoded(name, text)}\r\n"
    lines, line = [], f"{name}:"
    for word in words:
        if len(line) + len(word) > LINE and line != f"{name}:":
            lines.append(line)
            line = word
        else:
            line += word
    return "\r\n".join([*lines, line]) + "\r\n"


def mailbox(name: str, address: str, display: str = "") -> str:
    """Return one field with one address (`From`, `To`), with its line end.

    `address` is a dot-string that has been checked; `display` may be anything.
    """
    display = display.strip(" ")
    if not display:
        return f"{name}: {address}\r\n"
    if not _plain(display) or len(display) > LONGEST_WORD:
        phrase = _encoded(name, display)
    elif ATOMS.fullmatch(display):
        phrase = display
    else:
        phrase = '"' + re.sub(r'(["\\])', r"\\\1", display) + '"'
    separator = " " if len(name) + len(phrase) + len(address) < LINE - 5 else "\r\n "
    return f"{name}: {phrase}{separator}<{address}>\r\n"


def identifiers(name: str, ids: Sequence[str]) -> str:
    """Return one field with Message-IDs, each on a line of its own; empty without any."""
    return f"{name}: " + "\r\n ".join(ids) + "\r\n" if ids else ""


def _plain(text: str) -> bool:
    """Tell whether a text may stand as it is: printable ASCII that looks like no encoded word."""
    return text.isascii() and text.isprintable() and "=?" not in text


def _encoded(name: str, text: str) -> str:
    """Return encoded words of at most 75 characters (RFC 2047)."""
    return Header(text, "utf-8", maxlinelen=LINE - 1, header_name=name).encode(linesep="\r\n")
