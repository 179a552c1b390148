"""Reads SMTP replies from the bytes of a connection, however they are divided into segments."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST_LINE = 2048
"""Octets; RFC 5321 allows 512."""
MOST_LINES = 100
LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
STATUS = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


class Malformed(Exception):
    """What was received is no SMTP reply."""


class Reply:
    """One reply, of one or more lines."""

    __slots__ = ("_lines", "code")

    def __init__(self, code: int, lines: list[bytes]) -> None:
        """Keep the code and the text of each line."""
        self.code = code
        self._lines = lines

    @property
    def status(self) -> str | None:
        """The enhanced status code (RFC 3463), e.g. `5.3.4`."""
        found = STATUS.match(self._lines[0])
        return found.group(1).decode() if found else None

    def __str__(self) -> str:
        """Return code and text, with bytes that are no UTF-8 escaped."""
        text = b"\n".join(self._lines).decode("utf-8", "backslashreplace")
        return f"{self.code} {text}".strip()


class ReplyReader:
    """Collects bytes until replies are complete."""

    __slots__ = ("_code", "_lines", "_rest")

    def __init__(self) -> None:
        """Have read nothing."""
        self._rest = b""
        self._code = 0
        self._lines: list[bytes] = []

    @property
    def is_inside(self) -> bool:
        """Whether a part of a reply was read."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that are complete now; raises Malformed after those before it."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._read(line.removesuffix(b"\r")):
                yield Reply(self._code, self._lines)
                self._lines = []
        if len(self._rest) > LONGEST_LINE:
            raise Malformed(f"a line of more than {LONGEST_LINE} octets")

    def _read(self, line: bytes) -> bool:
        """Take one line; return whether it is the last of its reply."""
        if len(line) > LONGEST_LINE:
            raise Malformed(f"a line of more than {LONGEST_LINE} octets")
        found = LINE.fullmatch(line)
        if found is None:
            raise Malformed(f"not a reply: {line[:200].decode('utf-8', 'backslashreplace')}")
        code = int(found.group(1))
        if self._lines and code != self._code:
            raise Malformed(f"a reply with two codes, {self._code} and {code}")
        if len(self._lines) == MOST_LINES:
            raise Malformed(f"a reply of more than {MOST_LINES} lines")
        self._code = code
        self._lines.append(found.group(3) or b"")
        return found.group(2) != b"-"
