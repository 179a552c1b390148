"""Writes the text of a part in a transfer encoding that no mail server changes on its way.

`7bit` only where every line may stand as it is: servers strip blanks at a line's end, write `>`
before `From `, lose a dot at the beginning of a line, and break long lines.
"""

from __future__ import annotations

import binascii

LINE = 76
"""Octets of a line at most (RFC 2045 sections 6.7 and 6.8)."""
PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
UNQUOTED = PRINTABLE.replace(b"=", b"")
"""Octets that quoted-printable leaves as they are, but for blanks at the end of a line."""
MOST_QUOTED = 6
"""Base64 is shorter as soon as every sixth octet is quoted."""
CHANGED = (b" \r\n", b"\t\r\n", b"\r\n.", b"\r\nFrom ")
"""What mail servers change, or may."""


def encoded(text: str) -> tuple[str, bytes]:
    """Return the name of an encoding, and a text in it, with CRLF behind every line.

    A line of the text ends at CRLF, CR or LF. Raises UnicodeError for half a character.
    """
    lines = text.encode()
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = (lines if lines.endswith(b"\n") else lines + b"\n").replace(b"\n", b"\r\n")
    if _stands_as_it_is(data):
        return "7bit", data
    if len(data.translate(None, UNQUOTED)) * MOST_QUOTED < len(data):
        quoted = _quoted(data)
        if len(quoted) < len(data) * 4 / 3:
            return "quoted-printable", quoted
    return "base64", in_base64(data)


def in_base64(data: bytes) -> bytes:
    """Return octets in base64, with CRLF behind every line."""
    written = binascii.b2a_base64(data, newline=False)
    lines = [written[start : start + LINE] for start in range(0, len(written), LINE)]
    return b"\r\n".join(lines) + b"\r\n"


def _stands_as_it_is(data: bytes) -> bool:
    if max(map(len, data.split(b"\r\n"))) > LINE or data.translate(None, PRINTABLE):
        return False
    framed = b"\r\n" + data
    return not any(sign in framed for sign in CHANGED)


def _quoted(data: bytes) -> bytes:
    """Return quoted-printable in which no line begins with a dot or `From `."""
    quoted = b"\r\n" + binascii.b2a_qp(data, istext=True)
    while b"\r\n." in quoted:  # a line of dots has more than one
        quoted = quoted.replace(b"\r\n.", b"\r\n=2E=\r\n")
    return quoted.replace(b"\r\nFrom ", b"\r\n=46=\r\nrom ")[2:]
