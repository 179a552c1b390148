"""A person's mail client, by Python's own: reads a mail over IMAPS, and answers by port 465.

It runs on another machine of the lab, which has the standard library alone: its text is sent
there. `Order` comes as JSON on the standard input, and `Outcome` goes to the standard output.
"""

from __future__ import annotations

import imaplib
import json
import smtplib
import ssl
import sys
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TypedDict

PAUSE_SECONDS = 1.0


class Order(TypedDict):
    """What to do: which server, who logs in, which mail is awaited for how long."""

    server: str
    user: str
    password: str
    roots: str
    """Certificates of the authorities that are trusted, in PEM."""
    message_id: str
    seconds: float
    reply: str
    """Text of the answer."""


class Outcome(TypedDict):
    """The mail as IMAP gave it, and the Message-ID of the answer."""

    sender: str
    subject: str
    text: str
    reply_id: str


def main() -> None:
    """Read, answer, and print what happened."""
    order: Order = json.load(sys.stdin)
    context = ssl.create_default_context(cadata=order["roots"])
    mail = _received(order, context)
    print(json.dumps(_answered(order, mail, context)))


def _received(order: Order, context: ssl.SSLContext) -> EmailMessage:
    deadline = time.monotonic() + order["seconds"]
    with imaplib.IMAP4_SSL(order["server"], ssl_context=context) as client:
        client.login(order["user"], order["password"])
        while True:
            client.select("INBOX", readonly=True)
            _, [numbers] = client.search(None, "HEADER", "Message-ID", order["message_id"])
            if numbers:
                _, data = client.fetch(numbers.split()[0].decode(), "(BODY.PEEK[])")
                [content] = [part[1] for part in data if isinstance(part, tuple)]
                return message_from_bytes(content, policy=policy.default)
            if time.monotonic() > deadline:
                sys.exit(f"error: no mail {order['message_id']} after {order['seconds']:g} s")
            time.sleep(PAUSE_SECONDS)  # nothing says when it arrives


def _answered(order: Order, mail: EmailMessage, context: ssl.SSLContext) -> Outcome:
    reply = EmailMessage()
    reply["From"], reply["To"] = order["user"], mail["From"]
    reply["Subject"], reply["In-Reply-To"] = f"Re: {mail['Subject']}", mail["Message-ID"]
    reply["Date"], reply["Message-ID"] = formatdate(), make_msgid(domain=_domain(order["user"]))
    reply.set_content(order["reply"])
    with smtplib.SMTP_SSL(order["server"], context=context) as client:
        client.login(order["user"], order["password"])
        client.send_message(reply)
    return Outcome(
        sender=mail["From"],
        subject=mail["Subject"],
        text=mail.get_content().strip(),
        reply_id=reply["Message-ID"],
    )


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


if __name__ == "__main__":
    main()
