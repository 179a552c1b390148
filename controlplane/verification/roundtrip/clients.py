"""Clients of people's mail, over connections that are open already. All calls block."""

from __future__ import annotations

import imaplib
import smtplib
import socket
from contextlib import suppress
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTP
from typing import Any

LOCAL_NAME = "verification.invalid"
READY = 220
"""How an SMTP server begins."""


class Smtp(smtplib.SMTP):
    """SMTP by a connection; raises SMTPConnectError where the server does not greet."""

    def __init__(self, connection: socket.socket, name: str, timeout: float) -> None:
        super().__init__(local_hostname=LOCAL_NAME, timeout=timeout)
        self._host = name  # STARTTLS names it
        self.sock = connection
        code, text = self.getreply()
        if code != READY:
            self.close()
            raise smtplib.SMTPConnectError(code, text)

    def deliver(self, sender: str, recipient: str, mail: EmailMessage) -> None:
        """Hand over a mail; raises what smtplib does."""
        self.sendmail(sender, [recipient], mail.as_bytes(policy=SMTP))


class Inbox(imaplib.IMAP4):
    """The inbox of a mailbox, from the last message on that was there at the login."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._connection = connection
        self._first = 1
        super().__init__(timeout=timeout)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        """Return the connection that there is."""
        self._connection.settimeout(timeout)
        return self._connection

    def enter(self, address: str, token: str) -> None:
        """Log in; what is there is not looked at."""
        self.login(address, token)
        self._require(self.select())
        _, answer = self.response("UIDNEXT")
        self._first = int(answer[0]) if answer and answer[0] else 1

    def end(self) -> None:
        """Log out where that is possible, and close the connection."""
        with suppress(imaplib.IMAP4.error, OSError):
            self.logout()
        with suppress(OSError):
            self.shutdown()

    def find(self, mark: str) -> tuple[str, Message] | None:
        """Return the new message that contains a text, with its number."""
        self._require(self.select())  # else new messages are not shown
        found = self._require(self.uid("SEARCH", "UID", f"{self._first}:*", "TEXT", f'"{mark}"'))
        numbers = (found[0] or b"").split()
        if not numbers:
            return None
        number = numbers[0].decode()
        answer = self._require(self.uid("FETCH", number, "(BODY.PEEK[])"))
        content = next((part[1] for part in answer if isinstance(part, tuple)), None)
        return None if content is None else (number, message_from_bytes(content))

    def remove(self, number: str) -> None:
        """Remove a message."""
        self._require(self.uid("STORE", number, "+FLAGS.SILENT", r"(\Deleted)"))
        self._require(self.uid("EXPUNGE", number))

    def _require(self, answer: tuple[str, list[Any]]) -> list[Any]:
        status, content = answer
        if status != "OK":
            raise imaplib.IMAP4.error(f"{status} {content[:1]}")
        return content
