"""A mail as it goes over the wire."""

from __future__ import annotations

import re
from typing import NamedTuple

from sender.smtp.outcomes import Envelope, Outcome, Result, Stage

PATH = re.compile(r"[!-;=?-~]{1,254}")
"""What may stand between angle brackets: printable ASCII without them."""
LAST_BYTES = 65_536
"""As much of a mail is sent after its intent is committed; what is before goes ahead of it."""


class Unsendable(Exception):
    """This mail cannot be sent at all."""

    def __init__(self, reason: str, words: str) -> None:
        """Keep the stable reason."""
        super().__init__(words)
        self.reason = reason

    def outcome(self) -> Outcome:
        """Return it as the outcome of a hand-over."""
        return Outcome(Result.CONTENT, self.reason, str(self), Stage.WAITING)


class Mail(NamedTuple):
    """Envelope and content, encoded."""

    sender: bytes
    recipient: bytes
    size: int
    is_ascii: bool
    head: bytes
    """Goes ahead; empty for all but large mails."""
    tail: bytes
    """The last bytes: with them, the mail is delivered."""

    @classmethod
    def of(cls, envelope: Envelope, content: bytes) -> Mail:
        """Encode a mail; raises Unsendable.

        Its octets are signed, so nothing is repaired. A line break that is not CRLF is one for some
        servers and none for others: what follows could be read as a second mail.
        """
        breaks = content.count(b"\r\n")
        if content.count(b"\n") != breaks or content.count(b"\r") != breaks:
            raise Unsendable("bare_line_break", "the mail has a line break that is not CRLF")
        sender = _path(envelope.sender) if envelope.sender else b""
        recipient = _path(envelope.recipient)
        size, is_ascii = len(content), content.isascii()
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        if content.startswith(b"."):
            stuffed = b"." + stuffed
        end = b".\r\n" if content.endswith(b"\r\n") or not content else b"\r\n.\r\n"
        cut = max(0, len(stuffed) - LAST_BYTES)
        return cls(sender, recipient, size, is_ascii, stuffed[:cut], stuffed[cut:] + end)


def _path(address: str) -> bytes:
    if PATH.fullmatch(address) is None:
        words = f"{address[:300]!a} cannot stand in a command"
        raise Unsendable("envelope_refused", words)
    return address.encode("ascii")
