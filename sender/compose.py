"""Writes the mail itself: headers in one fixed form, nothing of a caller's text can become one.

The standard library would take a millisecond for a text and HTML, and lets the name of a file add
fields to its part: it decodes encoded words, line breaks and all.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from sender import attachments
from sender.faults import COMPOSE_REFUSED, POSTAL_ADDRESS_MISSING
from sender.footer import Footer, fill_html, fill_text
from sender.headers import identifiers, mailbox, unstructured
from sender.schemas import OutgoingMessage
from sender.transfer import encoded

LINK = re.compile(r"https://[!-;=?-~]{1,800}")
"""Printable ASCII without angle brackets, in one line of the header."""
BOUNDARY = 32
KEPT = 20_000
"""From domains whose ids are kept."""
SENDER_ID = 13
"""Characters of a domain's id in Feedback-ID, where Gmail takes 5 to 15."""
Part = tuple[str, bytes]
"""The fields and the body of a part of a mail, both with CRLF at their end."""


def compose(
    message: OutgoingMessage,
    *,
    message_id: str,
    unsubscribe_url: str,
    unsubscribe_mail: str | None = None,
    footer: Footer | None,
    now: datetime,
) -> bytes:
    """Return the unsigned mail as bytes with CRLF line ends.

    `message_id` carries its angle brackets and is the same at every attempt; `unsubscribe_mail` is
    a `mailto:` URL, if mail can unsubscribe; `footer` is the tenant's, None as long as it has no
    postal address. Raises COMPOSE_REFUSED for text that would
    break out of a header, POSTAL_ADDRESS_MISSING for campaign mail without a footer.
    """
    campaign = not message.transactional
    if campaign and footer is None:
        raise POSTAL_ADDRESS_MISSING()
    try:
        texts = []
        if message.text is not None:
            text = fill_text(message.text, unsubscribe_url, footer, required=campaign)
            texts.append(_text("plain", text))
        if message.html is not None:
            html = fill_html(message.html, unsubscribe_url, footer, required=campaign)
            texts.append(_text("html", html))
        head = [
            _list_fields(message.from_domain, unsubscribe_url, unsubscribe_mail)
            if campaign
            else "",
            mailbox("From", message.from_address, message.from_name or ""),
            mailbox("To", message.to, message.to_name or ""),
            mailbox("Reply-To", message.reply_to, message.reply_to_name or "")
            if message.reply_to
            else "",
            unstructured("Subject", message.subject),
            f"Date: {_date(int(now.timestamp()))}\r\n",
            f"Message-ID: {message_id}\r\n",
            identifiers("In-Reply-To", [message.in_reply_to] if message.in_reply_to else []),
            identifiers("References", message.references),
            _feedback_id(message),
            "MIME-Version: 1.0\r\n",
        ]
        fields, body = _content(message, texts, message_id)
        return f"{''.join(head)}{fields}\r\n".encode("ascii") + body
    except ValueError as error:
        raise COMPOSE_REFUSED(reason=error) from error


def is_link(url: str) -> bool:
    """Return whether a text can be the link to unsubscribe."""
    return LINK.fullmatch(url) is not None


def _list_fields(domain: str, url: str, mail: str | None) -> str:
    """Return what lets a reader's program unsubscribe (RFC 2369, 8058), and name the list.

    Each link is in one line: no one-click client reads one that is folded, or an encoded word.
    """
    if not is_link(url):
        raise ValueError("the unsubscribe link is not an https address")
    by_mail = f",\r\n <{mail}>" if mail else ""
    return (
        f"List-Unsubscribe: <{url}>{by_mail}\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        f"List-Id: <campaigns.{domain}>\r\n"
    )


def _feedback_id(message: OutgoingMessage) -> str:
    """Return the field that a receiver counts complaints by: campaign, kind of mail, sender.

    Each value is counted by itself, so none may occur in two places: no campaign has a dot.
    """
    kind = "mail.transactional" if message.transactional else "mail.campaign"
    sender = _sender_id(message.from_domain)
    values = [message.campaign, kind, sender] if message.campaign else [kind, sender]
    return f"Feedback-ID: {':'.join(values)}\r\n"


@lru_cache(KEPT)
def _sender_id(domain: str) -> str:
    digest = hashlib.sha256(domain.encode()).digest()
    return b32encode(digest).decode()[:SENDER_ID].lower()


@lru_cache(1)
def _date(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))


def _content(message: OutgoingMessage, texts: Sequence[Part], message_id: str) -> Part:
    """Put texts, pictures and files together: the better text last, and pictures beside it."""
    pictures: list[Part] = []
    files: list[Part] = []
    for item in message.attachments:
        is_shown = item.content_id is not None and message.html is not None
        part = attachments.written(item, is_shown=is_shown)
        (pictures if is_shown else files).append(part)
    *plain, last = texts
    shown = _together("related", [last, *pictures], message_id)
    body = _together("alternative", [*plain, shown], message_id)
    return _together("mixed", [body, *files], message_id)


def _text(subtype: str, text: str) -> Part:
    encoding, body = encoded(text)
    fields = (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
        f"Content-Transfer-Encoding: {encoding}\r\n"
    )
    return fields, body


def _together(subtype: str, parts: Sequence[Part], message_id: str) -> Part:
    """Return several parts as one; one alone stays as it is."""
    if len(parts) == 1:
        return parts[0]
    written = [fields.encode("ascii") + b"\r\n" + body for fields, body in parts]
    boundary = _boundary(written, message_id)
    fields = f'Content-Type: multipart/{subtype}; boundary="{boundary.decode()}"\r\n'
    divider = b"\r\n--" + boundary
    return fields, divider[2:] + b"".join(b"\r\n" + part + divider for part in written) + b"--\r\n"


def _boundary(parts: Sequence[bytes], message_id: str) -> bytes:
    """Return a line that no part contains: `=_` is in no quoted-printable and in no base64."""
    boundary = message_id.encode()
    while True:
        boundary = b"=_" + hashlib.sha256(boundary).hexdigest()[:BOUNDARY].encode()
        if not any(boundary in part for part in parts):
            return boundary
