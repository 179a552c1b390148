"""Writes the mail itself: headers in one fixed form, nothing of a caller's text can become one."""

from __future__ import annotations

from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from sender.errors import ComposeRefused
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
    `ComposeRefused` for text that would break out of a header.
    """
    mail = EmailMessage(policy=POLICY)
    try:
        mail["From"] = Address(message.from_name or "", addr_spec=message.from_address)
        mail["To"] = Address(message.to_name or "", addr_spec=message.to)
        if message.reply_to is not None:
            mail["Reply-To"] = Address(addr_spec=message.reply_to)
        mail["Subject"] = message.subject
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = message_id
        # Written as it is: the library would break a long address up into encoded words, which
        # no one-click client reads (RFC 2047 forbids them inside an address).
        unsubscribe = f"List-Unsubscribe: <{_https(unsubscribe_url)}>\r\n".encode("ascii")
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail["Feedback-ID"] = f"{message.campaign or 'single'}:{tenant}:mail:penguinmails"
        _fill(mail, message)
        return unsubscribe + mail.as_bytes()
    except (MessageError, ValueError, UnicodeError) as error:
        raise ComposeRefused(f"the message cannot be written: {error}") from error


def _fill(mail: EmailMessage, message: OutgoingMessage) -> None:
    """Set the body: text, HTML, or both as alternatives with the better one last."""
    if message.text is not None:
        mail.set_content(message.text)
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html")
    elif message.html is not None:
        mail.set_content(message.html, subtype="html")


def _https(url: str) -> str:
    if not url.startswith("https://") or any(c in url for c in "<> \r\n"):
        raise ValueError("the unsubscribe link is not an https address")
    return url
