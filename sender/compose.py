"""Writes the mail itself: headers in one fixed form, nothing of a caller's text can become one.

Text and HTML are written here, since the standard library takes a millisecond for them; files are
put around them by the library.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from collections.abc import Sequence
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache

from sender.attachments import attach
from sender.faults import COMPOSE_REFUSED, POSTAL_ADDRESS_MISSING
from sender.footer import Footer, fill_html, fill_text
from sender.headers import identifiers, mailbox, unstructured
from sender.schemas import OutgoingMessage
from sender.transfer import encoded

POLICY = policy.SMTP.clone(cte_type="7bit", raise_on_defect=True)
"""CRLF, and nothing above ASCII on the wire, so that no hop may change what was signed."""
LINK = re.compile(r"https://[!-;=?-~]{1,800}")
"""Printable ASCII without angle brackets, in one line of the header."""
BOUNDARY = 32
KEPT = 20_000
"""From domains whose ids are kept."""
SENDER_ID = 13
"""Characters of a domain's id in Feedback-ID, where Gmail takes 5 to 15."""


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
        parts = []
        if message.text is not None:
            text = fill_text(message.text, unsubscribe_url, footer, required=campaign)
            parts.append(_part("plain", text))
        if message.html is not None:
            html = fill_html(message.html, unsubscribe_url, footer, required=campaign)
            parts.append(_part("html", html))
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
        if message.attachments:
            content = _with_files(message, parts)
        else:
            content = _alternatives(parts, message_id)
        return "".join(head).encode("ascii") + content
    except (MessageError, ValueError, UnicodeError) as error:
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


def _part(subtype: str, text: str) -> tuple[str, bytes]:
    """Return the fields and the body of a part."""
    encoding, body = encoded(text)
    fields = (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
        f"Content-Transfer-Encoding: {encoding}\r\n"
    )
    return fields, body


def _alternatives(parts: Sequence[tuple[str, bytes]], message_id: str) -> bytes:
    """Return the only part, or several as alternatives with the better one last."""
    written = [fields.encode() + b"\r\n" + body for fields, body in parts]
    if len(written) == 1:
        return written[0]
    boundary = _boundary(written, message_id)
    head = f'Content-Type: multipart/alternative; boundary="{boundary.decode()}"\r\n\r\n'
    return b"".join(
        [
            head.encode(),
            *(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in written),
            b"--" + boundary + b"--\r\n",
        ]
    )


def _boundary(parts: Sequence[bytes], message_id: str) -> bytes:
    """Return a line that no part contains: `=_` is in no quoted-printable and in no base64."""
    boundary = message_id.encode()
    while True:
        boundary = b"=_" + hashlib.sha256(boundary).hexdigest()[:BOUNDARY].encode()
        if not any(boundary in part for part in parts):
            return boundary


def _with_files(message: OutgoingMessage, parts: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the parts with the attachments, from `Content-Type` on."""
    mail = _library_part(*parts[0])
    if len(parts) > 1:
        mail.make_alternative()
        mail.attach(_library_part(*parts[1]))
    attach(mail, message.attachments)
    return mail.as_bytes()


def _library_part(fields: str, body: bytes) -> EmailMessage:
    part = EmailMessage(policy=POLICY)
    for line in fields.splitlines():
        name, _, value = line.partition(": ")
        part[name] = value
    part.set_payload(body.decode("ascii"))
    return part
