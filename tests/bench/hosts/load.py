"""People's mail of a host with Mailu: mail from elsewhere comes in, and mail leaves by port 465."""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import closing
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from lab.running import RunningLab
from tests.support.lab_zones import Zone
from tests.support.retrying_sender import GREYLISTED_SECONDS, Sender
from tests.support.waiting import SECONDS, wait_for

OF_A_CONNECTION = 50
"""Mails; a mail client opens another one then."""


def come_in(lab: RunningLab, ip: str, address: str, mails: int) -> None:
    """Send mails to a mailbox from elsewhere, until all are taken."""
    with closing(Zone(lab)) as zone:
        source = lab.sender_address or ""
        zone.add(zone.name, "A", source)
        zone.add(zone.name, "TXT", f"v=spf1 ip4:{source} -all")
        sender = Sender(zone.name, ip, source, (address,))
        for _ in range(mails):
            sender.add()
        wait_for(sender.sent, seconds=GREYLISTED_SECONDS, longest_pause=1)
        assert not sender.refused, "mail was refused for good"


def go_out(
    lab: RunningLab, ip: str, name: str, address: str, token: str, recipient: str, mails: int
) -> None:
    """Send mails as a mail client does, the certificate verified."""
    trusted = ssl.create_default_context(cafile=str(lab.acme_root))
    for first in range(0, mails, OF_A_CONNECTION):
        with _Named(ip, name, trusted) as client:
            client.login(address, token)
            for _ in range(first, min(first + OF_A_CONNECTION, mails)):
                client.send_message(_written(address, recipient))


class _Named(smtplib.SMTP_SSL):
    """A connection to an address whose certificate is for a name: this machine resolves none."""

    def __init__(self, ip: str, name: str, trusted: ssl.SSLContext) -> None:
        self._ip = ip
        super().__init__(name, 465, timeout=SECONDS, context=trusted)

    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        plain = socket.create_connection((self._ip, port), timeout)
        return self.context.wrap_socket(plain, server_hostname=host)


def _written(address: str, recipient: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = address, recipient, "Our meeting"
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=address.rpartition("@")[2])
    mail.set_content("See you on Monday.\n")
    return mail
