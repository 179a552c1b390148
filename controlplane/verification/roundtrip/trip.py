"""Tries people's mail on a host with Mailu through our mailbox: in, read, out, and back again."""

from __future__ import annotations

import imaplib
import secrets
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.utils import formatdate
from functools import partial
from pathlib import Path

from blueprint.mail_address import domain_of
from controlplane.reconciler.mail_ports import OwnMailbox
from controlplane.reconciler.ports import Finding, Progress
from controlplane.verification.roundtrip import faults
from controlplane.verification.roundtrip.clients import Inbox, Smtp
from controlplane.verification.roundtrip.judging import CHECK as OUT
from controlplane.verification.roundtrip.judging import judged
from controlplane.verification.roundtrip.returned import returned
from kit.faults import Fault, first_line
from kit.waiting import wait_until

IN = "mail.in"
"""Check that mail from outside arrives and is read by IMAP."""
RETURNING = "verify"
"""Local part of the address of the echo MX that returns mail."""
TIMEOUT = 30.0
"""Seconds for a connection and for each answer."""
PATIENCE = 60.0
"""Seconds in which a mail arrives."""
LONGEST_PAUSE = 1.0
REFUSED_LOGIN, REFUSED_LOGIN_CODE = "AUTHENTICATIONFAILED", 535
"""How IMAP (RFC 5530) and SMTP (RFC 4954) say that a name or password is wrong."""

PERMANENT = 500
"""The lowest code of a refusal for good."""

Connect = Callable[[str, int], socket.socket]
"""Opens a connection to a port of an address."""


@dataclass(frozen=True)
class Ports:
    """The ports of a host at which its people's mail is."""

    mail: int = 25
    submission: int = 465
    imap: int = 993


class MailRoundTrips:
    """The `RoundTrips` of real hosts.

    `echo_mx` is the name of the server that returns mail, `source` the local address of
    connections; `roots` has the public authorities (PEM) that are trusted, None: those of the
    system. `patience` is in seconds.
    """

    def __init__(
        self,
        *,
        echo_mx: str | None,
        source: str | None = None,
        roots: Path | None = None,
        connect: Connect | None = None,
        ports: Ports | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._echo_mx = echo_mx
        self._roots = roots
        self._connect = connect or partial(_connected, source)
        self._ports = ports or Ports()
        self._patience = patience

    def attempt(self, mailbox: OwnMailbox, *, progress: Progress) -> Sequence[Finding]:
        """Try mail in both directions; the first fault ends it."""
        findings: list[Finding] = []
        subject, check = f"domain/{mailbox.domain}", IN
        try:
            with ExitStack() as kept:
                inbox = Inbox(self._protected(mailbox, self._ports.imap), TIMEOUT)
                kept.callback(inbox.end)
                self._enter(mailbox, inbox)
                findings.append(self._in(mailbox, inbox, subject))
                progress(findings[0].message)
                check = OUT
                findings.append(self._out(mailbox, inbox, subject))
                progress(findings[1].message)
        except Fault as fault:
            checked = fault.code is not faults.UNCLEAR
            findings.append(Finding.of(subject, check, fault, checked=checked))
        except (imaplib.IMAP4.error, smtplib.SMTPException, OSError) as error:
            reason = first_line(error, "the connection broke")
            unclear = faults.UNCLEAR(port=mailbox.ip, reason=reason)
            findings.append(Finding.of(subject, check, unclear, checked=False))
        return findings

    def _enter(self, mailbox: OwnMailbox, inbox: Inbox) -> None:
        """Log in as people do; raises a fault."""
        try:
            inbox.enter(mailbox.address, mailbox.token)
        except imaplib.IMAP4.error as error:
            where, reason = _port(mailbox, self._ports.imap), first_line(error).rstrip(".")
            if REFUSED_LOGIN not in reason:
                raise faults.UNCLEAR(port=where, reason=reason) from None
            raise faults.LOGIN_REFUSED(port=where, address=mailbox.address, reason=reason) from None

    def _in(self, mailbox: OwnMailbox, inbox: Inbox, subject: str) -> Finding:
        """Send a mail to our mailbox from outside, and read it.

        Large clouds close outbound port 25. What the echo MX returns then shows the way in.
        """
        port, where = self._ports.mail, _port(mailbox, self._ports.mail)
        try:
            connection = self._connect(mailbox.ip, port)
        except OSError as error:
            reason = first_line(error, "no connection")
            if self._echo_mx is None:
                raise faults.UNCLEAR(port=where, reason=reason) from None
            return Finding(subject, IN, True, f"{where}: not reached from here: {reason}")
        mail = _mail(self._far(), mailbox.address)
        with _answers(where, "to", mailbox.address), Smtp(connection, mailbox.name, TIMEOUT) as way:
            way.ehlo_or_helo_if_needed()
            if way.has_extn("starttls"):
                way.starttls(context=_any_certificate())
            way.deliver("", mailbox.address, mail)
        if self._arrived(inbox, mail) is None:
            raise faults.NOT_ARRIVED(port=where, address=mailbox.address, seconds=self._patience)
        return Finding(subject, IN, True, f"{where}: mail to {mailbox.address} arrives")

    def _out(self, mailbox: OwnMailbox, inbox: Inbox, subject: str) -> Finding:
        """Send a mail as people do, and judge what comes back."""
        if self._echo_mx is None:
            return Finding.remark(subject, OUT, faults.UNTRIED(domain=mailbox.domain))
        port, where = self._ports.submission, _port(mailbox, self._ports.submission)
        mail = _mail(mailbox.address, self._far())
        connection = self._protected(mailbox, port)
        with (
            _answers(where, "from", mailbox.address),
            Smtp(connection, mailbox.name, TIMEOUT) as way,
        ):
            way.login(mailbox.address, mailbox.token)
            way.deliver(mailbox.address, self._far(), mail)
        back = self._arrived(inbox, mail)
        if back is None:
            raise faults.NOT_RETURNED(
                address=mailbox.address, recipient=self._far(), seconds=self._patience
            )
        return judged(mailbox, self._echo_mx, self._far(), returned(back, mailbox.name), subject)

    def _arrived(self, inbox: Inbox, mail: EmailMessage) -> Message | None:
        """Return the message in which a mail of ours has come, and remove it; None: none has."""
        mark = str(mail["Subject"])
        found = wait_until(
            lambda: inbox.find(mark), seconds=self._patience, longest_pause=LONGEST_PAUSE
        )
        if found is None:
            return None
        number, message = found
        inbox.remove(number)
        return message

    def _far(self) -> str:
        """Return the address at the echo MX with which we exchange mail."""
        return f"{RETURNING}@{self._echo_mx or 'verification.invalid'}"

    def _protected(self, mailbox: OwnMailbox, port: int) -> ssl.SSLSocket:
        """Connect by TLS; the certificate has to be the host's. Raises a fault."""
        if mailbox.authority is not None:
            context = ssl.create_default_context(cadata=mailbox.authority)
        else:
            context = ssl.create_default_context(cafile=self._roots)
        connection: socket.socket | None = None
        try:
            connection = self._connect(mailbox.ip, port)
            return context.wrap_socket(connection, server_hostname=mailbox.name)
        except OSError as error:
            if connection is not None:
                connection.close()
            raise faults.CLOSED(
                port=_port(mailbox, port),
                name=mailbox.name,
                reason=first_line(error, "no connection"),
            ) from None


def _connected(source: str | None, ip: str, port: int) -> socket.socket:
    return socket.create_connection((ip, port), TIMEOUT, (source, 0) if source else None)


def _port(mailbox: OwnMailbox, port: int) -> str:
    return f"{mailbox.ip} port {port}"


def _mail(sender: str, recipient: str) -> EmailMessage:
    """Return a mail whose subject and Message-ID nothing else has."""
    mark = f"penguin{secrets.token_hex(12)}"
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, recipient, mark
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{mark}@{domain_of(sender)}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nothing answers it
    mail.set_content("PenguinMails tries whether mail of this domain arrives.\n")
    return mail


@contextmanager
def _answers(port: str, direction: str, address: str) -> Iterator[None]:
    """Turn what a server refuses into a fault."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as refusal:
        [reply] = refusal.recipients.values()
        raise _refused(port, direction, address, *reply) from None
    except smtplib.SMTPResponseException as refusal:
        code, text = refusal.smtp_code, refusal.smtp_error
        raise _refused(port, direction, address, code, text) from None


def _refused(port: str, direction: str, address: str, code: int, text: bytes | str) -> Fault:
    shown = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    reason = " ".join(f"{code} {shown}".split())
    if code == REFUSED_LOGIN_CODE:
        return faults.LOGIN_REFUSED(port=port, address=address, reason=reason)
    if code >= PERMANENT:
        return faults.REFUSED(port=port, direction=direction, address=address, reason=reason)
    return faults.UNCLEAR(port=port, reason=reason)


def _any_certificate() -> ssl.SSLContext:
    """Encryption as other mail servers have it: without a check of who the host is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
