"""Writes header values that hold a caller's text, so that it stays text.

The standard library parses a value before it writes it: an encoded word in a subject is decoded,
line breaks and all, and a long display name loses its quotes. Here nothing is parsed.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from urllib.parse import quote

LINE = 76
"""Columns of a folded line; an encoded word is no longer than 75 (RFC 2047 section 2)."""
ENCODED = "=?utf-8?b?%s?="
LONGEST_WORD = 400
"""A word that cannot be folded; far below the 998 octets of a line (RFC 5322 2.1.1)."""
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
WORD = re.compile(r" *[^ ]+")
PIECE = 50
"""Octets of a percent-encoded value in one line."""


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
        phrase = _quoted(display)
    separator = " " if len(name) + len(phrase) + len(address) < LINE - 5 else "\r\n "
    return f"{name}: {phrase}{separator}<{address}>\r\n"


def identifiers(name: str, ids: Sequence[str]) -> str:
    """Return one field with Message-IDs, each on a line of its own; empty without any."""
    return f"{name}: " + "\r\n ".join(ids) + "\r\n" if ids else ""


def parameter(name: str, value: str) -> str:
    """Return a parameter of a field, such as the name of a file, with the end of the line before.

    `value` is no longer than a name; what is not plain is percent-encoded, in lines (RFC 2231).
    """
    if _plain(value):
        return f";\r\n {name}={_quoted(value)}"
    pieces = list(_percent_encoded(value))
    if len(pieces) == 1:
        return f";\r\n {name}*={pieces[0]}"
    lines = [f"{name}*{number}*={piece}" for number, piece in enumerate(pieces)]
    return "".join(f";\r\n {line}" for line in lines)


def _percent_encoded(text: str) -> Iterator[str]:
    """Name the character set, and cut between characters."""
    piece = "utf-8''"
    for character in text:
        octets = quote(character, safe="")
        if len(piece) + len(octets) > PIECE:
            yield piece
            piece = ""
        piece += octets
    yield piece


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _plain(text: str) -> bool:
    """Tell whether a text may stand as it is: printable ASCII that looks like no encoded word."""
    return text.isascii() and text.isprintable() and "=?" not in text


def _encoded(name: str, text: str) -> str:
    """Return encoded words, each in a line of its own (RFC 2047)."""
    return "\r\n ".join(
        ENCODED % b64encode(piece).decode() for piece in _pieces(text.encode(), len(name) + 1)
    )


def _pieces(octets: bytes, column: int) -> Iterator[bytes]:
    """Cut UTF-8 between characters, so that each encoded word is whole and its line short.

    `column` is where the blank before the first word stands.
    """
    start = 0
    while start < len(octets):
        end = start + (LINE - column - len(ENCODED % " ")) // 4 * 3
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        yield octets[start:end]
        start, column = end, 0
