"""SMTP and IMAP over sockets that are connected already."""

from __future__ import annotations

import imaplib
import smtplib
import socket
from contextlib import suppress


class SmtpClient(smtplib.SMTP):
    """Speaks SMTP; `greeting` is what the server said first."""

    def __init__(self, connection: socket.socket, server: str) -> None:
        super().__init__(local_hostname="client.test", timeout=60)
        self._host = server  # for the certificate after STARTTLS
        self.sock = connection
        self.greeting = self.getreply()

    def envelope(self, sender: str, *recipients: str) -> list[int]:
        """Begin a transaction; return the codes for the recipients."""
        self.ehlo_or_helo_if_needed()
        self.rset()
        assert self.mail(sender)[0] == 250
        return [self.rcpt(recipient)[0] for recipient in recipients]


class ImapClient(imaplib.IMAP4):
    """Speaks IMAP."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        super().__init__()

    def _create_socket(self, timeout: float | None) -> socket.socket:
        """Return the connection that there is."""
        return self._connection

    def end(self) -> None:
        """Close the connection, unless it is closed."""
        with suppress(OSError):
            self.shutdown()

    def messages(self, folder: str = "INBOX") -> list[bytes]:
        """Return all messages of a folder."""
        assert self.select(folder)[0] == "OK"
        _, [numbers] = self.search(None, "ALL")
        return [self._message(number.decode()) for number in numbers.split()]

    def _message(self, number: str) -> bytes:
        _, answer = self.fetch(number, "(BODY.PEEK[])")
        found = answer[0]
        assert isinstance(found, tuple)
        return found[1]
