"""Writes the mail itself: headers in one fixed form, nothing of a caller's text can become one."""

from __future__ import annotations

from datetime import datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime

from sender.attachments import attach
from sender.faults import COMPOSE_REFUSED
from sender.headers import identifiers, mailbox, unstructured
from sender.schemas import OutgoingMessage

POLICY = policy.SMTP.clone(cte_type="7bit", raise_on_defect=True)
"""CRLF, and nothing above ASCII on the wire, so that no hop may change what was signed."""


def compose(
    message: OutgoingMessage,
    *,
    message_id: str,
    tenant: str,
    unsubscribe_url: str,
    now: datetime,
) -> bytes:
    """Return the unsigned mail as bytes with CRLF line ends.

    `message_id` carries its angle brackets and is the same at every attempt. Raises
    COMPOSE_REFUSED for text that would break out of a header.
    """
    # Only the body is left to the library: it would parse what callers wrote, and break a long
    # unsubscribe address up into encoded words, which no one-click client reads.
    mail = EmailMessage(policy=POLICY)
    try:
        _fill(mail, message)
        head = [
            f"List-Unsubscribe: <{_https(unsubscribe_url)}>\r\n",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            mailbox("From", message.from_address, message.from_name or ""),
            mailbox("To", message.to, message.to_name or ""),
            mailbox("Reply-To", message.reply_to, message.reply_to_name or "")
            if message.reply_to
            else "",
            unstructured("Subject", message.subject),
            f"Date: {format_datetime(now)}\r\n",
            f"Message-ID: {message_id}\r\n",
            identifiers("In-Reply-To", [message.in_reply_to] if message.in_reply_to else []),
            identifiers("References", message.references),
            f"Feedback-ID: {message.campaign or 'single'}:{tenant}:mail:penguinmails\r\n",
        ]
        return "".join(head).encode("ascii") + mail.as_bytes()
    except (MessageError, ValueError, UnicodeError) as error:
        raise COMPOSE_REFUSED(reason=error) from error


def _fill(mail: EmailMessage, message: OutgoingMessage) -> None:
    """Set the body: text, HTML, or both as alternatives with the better one last, then files."""
    if message.text is not None:
        mail.set_content(message.text)
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html")
    elif message.html is not None:
        mail.set_content(message.html, subtype="html")
    attach(mail, message.attachments)


def _https(url: str) -> str:
    if not url.startswith("https://") or any(c in url for c in "<> \r\n"):
        raise ValueError("the unsubscribe link is not an https address")
    return url
