"""Reads a mail file as the body of `POST /messages`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from cli.faults import MAIL_REFUSED, UNREADABLE
from cli.mail import headers, parts

POLICY = policy.default.clone(header_factory=headers.field)
LONGEST = 40 * 2**20
"""Bytes; the largest message that the API takes fits in any encoding."""
UTF_8 = b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks, as editors and shells of Windows write them."""
SECOND_OF_MBOX = re.compile(rb"From .*\n\r?\nFrom [^\n]* \d{4}\r?\n[!-9;-~]+:", re.DOTALL)


def read(path: Path, given: Mapping[str, object]) -> tuple[dict[str, Any], set[str]]:
    """Return the API's fields that a file has, and the names of header fields that are left out.

    Header fields of what is `given` are not read. Raises UNREADABLE, MAIL_REFUSED, HEADER_REFUSED,
    PART_REFUSED.
    """
    raw = _content(path)
    is_unicode = raw.startswith((UTF_8, *UTF_16))
    try:
        raw = _plain(raw)
        mail = message_from_bytes(raw, policy=POLICY)
        assert isinstance(mail, EmailMessage)  # noqa: S101 - the class of this policy
        content, left_out = headers.read(mail, given)
        body = parts.read(mail, is_unicode=is_unicode)
    except UnicodeError:
        raise MAIL_REFUSED(reason="it is not the UTF-16 that it begins as", where=path) from None
    except RecursionError:
        raise MAIL_REFUSED(reason="its parts are nested too deeply", where=path) from None
    if SECOND_OF_MBOX.match(raw):
        raise MAIL_REFUSED(reason="it holds several mails (mbox)", where=path)
    content |= body.content()
    left_out |= body.left_out
    return content, left_out


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(LONGEST + 1)
    except OSError as error:
        raise UNREADABLE(reason=error.strerror, where=path) from None
    if len(raw) > LONGEST:
        raise MAIL_REFUSED(reason=f"it is larger than {LONGEST // 2**20} MB", where=path)
    return raw


def _plain(raw: bytes) -> bytes:
    """Return a mail without byte order mark and without empty lines before it."""
    if raw.startswith(UTF_16):
        raw = raw.decode("utf-16").encode()
    return raw.removeprefix(UTF_8).lstrip(b"\r\n")
