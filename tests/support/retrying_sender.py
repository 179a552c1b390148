"""A mail server elsewhere, which tries again what a host has refused for now."""

from __future__ import annotations

import random
import secrets
import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate

from tests.support.waiting import SECONDS, wait_for

PAUSE_SECONDS = 1.0
GREYLISTED_SECONDS = 600.0
"""Mailu may take mail of a sender that it does not know only after some minutes."""
MOST_REFUSED = 3
"""Mails in a row after which a sender waits before it tries the others."""


@dataclass
class Sender:
    """A mail server elsewhere: it sends what is new, and tries again what was refused for now."""

    domain: str
    """Of its users."""
    ip: str
    source: str
    recipients: tuple[str, ...]
    timeout: float = SECONDS
    accepted: list[str] = field(default_factory=list)
    """Message-IDs."""
    refused: list[str] = field(default_factory=list)
    """What was refused for good."""
    unanswered: set[str] = field(default_factory=set)
    """What may have been accepted before the connection was lost, and was sent again."""
    codes: set[int] = field(default_factory=set)
    waiting: dict[str, str] = field(default_factory=dict)
    """Recipients of what is to be sent, by Message-ID."""

    def add(self) -> None:
        """Write a mail to each."""
        for recipient in self.recipients:
            self.waiting[f"<{secrets.token_hex(8)}@{self.domain}>"] = recipient

    def attempt(self) -> None:
        """Try to send what waits, in another order each time."""
        refused = 0
        for number, recipient in random.sample(sorted(self.waiting.items()), len(self.waiting)):
            if refused == MOST_REFUSED:
                return
            code = self._try(number, recipient)
            refused = refused + 1 if code // 100 == 4 or not code else 0
            if code == 250:
                self.accepted.append(number)
            elif code // 100 == 5:
                self.refused.append(number)
            if code == 250 or code // 100 == 5:
                del self.waiting[number]

    def sent(self) -> bool:
        """Try to send what waits; return whether nothing does any more."""
        self.attempt()
        return not self.waiting

    def _try(self, number: str, recipient: str) -> int:
        message = EmailMessage()
        message["From"], message["To"] = f"Zoe <zoe@{self.domain}>", recipient
        message["Subject"], message["Date"] = "Our meeting", formatdate()
        message["Message-ID"] = number
        message.set_content("See you on Monday.\n")
        try:
            with smtplib.SMTP(self.ip, 25, self.domain, self.timeout, (self.source, 0)) as client:
                client.send_message(message, f"zoe@{self.domain}", [recipient])
        except smtplib.SMTPRecipientsRefused as refusal:
            [(code, text)] = refusal.recipients.values()
            print(code, text)
        except smtplib.SMTPResponseException as refusal:
            code = refusal.smtp_code
            print(code, refusal.smtp_error)
        except (OSError, smtplib.SMTPException) as error:
            code = 0
            if not isinstance(error, ConnectionRefusedError):
                self.unanswered.add(number)
        else:
            code = 250
        self.codes.add(code)
        return code

    @contextmanager
    def throughout(self, pause: float = PAUSE_SECONDS) -> Iterator[None]:
        """Send mail all the time, and at the end until nothing waits."""
        ended = threading.Event()

        def go_on() -> None:
            while not ended.wait(pause):
                self.add()
                self.attempt()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        wait_for(self.sent, seconds=GREYLISTED_SECONDS, longest_pause=1)
