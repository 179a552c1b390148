"""The receiving server of the lab: Postfix, rspamd and Dovecot, which really verify mail."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from email import message_from_binary_file
from email.message import Message
from email.policy import default
from pathlib import Path

from kit.waiting import wait_until
from lab import leftovers
from lab.faults import FAILED, NO_MESSAGE
from lab.guest import RESOLVER, Guest
from lab.ports import Nameserver

ADDRESS = "198.19.0.25"
DOMAIN = "rcpt.example"
NAME = f"mx.{DOMAIN}"
IDENT = "rcpt"
USERS = ("alice", "bob")
MILTER_PORT = 11332
START_SECONDS = 90.0
PAUSE_SECONDS = 0.05

RSPAMD = {
    "worker-proxy.inc": f"""bind_socket = "{ADDRESS}:{MILTER_PORT}";
milter = yes;
timeout = 30s;
upstream "local" {{ default = yes; self_scan = yes; }}
""",
    "milter_headers.conf": """use = ["authentication-results", "x-spam-status", "spam-header"];
skip_local = false;
""",
    # Compiling the full list of public suffixes takes ten seconds; the lab needs only a few.
    "options.inc": f"""dns {{ nameserver = ["{RESOLVER}"]; timeout = 2s; retransmits = 2; }}
url_tld = "/etc/rspamd/local.d/suffixes";
""",
    "suffixes": "example\ncom\nnet\norg\n",
    "redis.conf": 'servers = "127.0.0.1";\n',
    "dmarc.conf": 'actions = { quarantine = "add_header"; reject = "reject"; }\n',
    "greylist.conf": "enabled = false;\n",
    # These would wait for servers that are not in the lab.
    **{
        f"{module}.conf": "enabled = false;\n"
        for module in ("rbl", "surbl", "fuzzy_check", "asn", "phishing", "mx_check")
    },
}

DOVECOT = """mail_location = maildir:~/Maildir
auth_username_format = %n
service lmtp {
 unix_listener /var/spool/postfix/private/dovecot-lmtp {
  user = postfix
  group = postfix
  mode = 0600
 }
}
"""

ECHO = """#!/bin/sh
# Postfix's policy protocol: one attribute per line, an empty line ends a request.
while IFS='=' read -r name value; do
  case $name in
    client_address) source=$value ;;
    helo_name) helo=$value ;;
    encryption_protocol) tls=$value ;;
    '') printf 'action=550 5.7.1 source=%s helo=%s tls=%s\\n\\n' "$source" "$helo" "${tls:-none}" ;;
  esac
done
"""
"""Refuses mail to `echo@NAME` with what Postfix sees of the client (docs/operations.md)."""

SENDERS_TO_VERIFY = "/^penguinmails@/ DUNNO\n/^/ REJECT\n"
"""Whose mail to `verify@NAME` is taken. No user is behind it: mail comes back, with its results."""

PREPARE = f"""
for user; do useradd -m "$user"; done
make-ssl-cert generate-default-snakeoil --force-overwrite
classes='inline:{{echo@{NAME}=echo, verify@{NAME}=verify}}'
postconf -e compatibility_level=3.6 myhostname={NAME} mydestination={DOMAIN},{NAME},localhost \\
  inet_protocols=ipv4 mynetworks=127.0.0.0/8 'alias_maps=inline:{{verify=no-such-user}}' \\
  smtpd_milters=inet:{ADDRESS}:{MILTER_PORT} milter_default_action=tempfail \\
  mailbox_transport=lmtp:unix:private/dovecot-lmtp \\
  smtpd_tls_security_level=may smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem \\
  smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key \\
  maillog_file=/var/log/mail.log \\
  'local_recipient_maps=proxy:unix:passwd.byname inline:{{verify=no-such-user}}' \\
  'smtpd_restriction_classes=echo, verify' 'echo=check_policy_service unix:private/echo' \\
  'verify=check_sender_access regexp:/etc/postfix/verify' \\
  "smtpd_client_restrictions=check_recipient_access $classes"
postconf -M 'echo/unix=echo unix - n n - 0 spawn user=nobody argv=/usr/local/sbin/echo-mx'
chmod 755 /usr/local/sbin/echo-mx
systemctl enable -q redis-server rspamd dovecot postfix
"""


class Receiver:
    """The receiving guest and its part of the DNS."""

    def __init__(self, directory: Path, layers: Sequence[Path]) -> None:
        self._guest = Guest(directory, IDENT, NAME, (ADDRESS,), layers)
        self._cancelled = threading.Event()

    def start(self, nameserver: Nameserver) -> None:
        """Publish the domain, boot, and wait until mail is verified."""
        nameserver.create_zone(DOMAIN)
        nameserver.delegate(DOMAIN)
        nameserver.replace(DOMAIN, NAME, "A", 60, [ADDRESS])
        nameserver.replace(DOMAIN, DOMAIN, "MX", 60, [f"10 {NAME}"])
        nameserver.set_ptr(ADDRESS, NAME)
        self._guest.make()
        etc = self._guest.root / "etc"
        for name, text in RSPAMD.items():
            (etc / "rspamd/local.d" / name).write_text(text)
        (etc / "dovecot/local.conf").write_text(DOVECOT)
        (self._guest.root / "usr/local/sbin/echo-mx").write_text(ECHO)
        (etc / "postfix/verify").write_text(SENDERS_TO_VERIFY)
        self._guest.inside_disk(PREPARE, "sh", *USERS)
        self._guest.boot()
        deadline = time.monotonic() + START_SECONDS
        while not (_answers_milter() and _answers_smtp()):
            if time.monotonic() > deadline:
                logs = self._guest.root / "var/log"
                raise FAILED(part="the receiver", reason="it does not accept mail", where=logs)
            if self._cancelled.wait(PAUSE_SECONDS):
                return

    def cancel(self) -> None:
        """Interrupt a start in progress."""
        self._cancelled.set()
        self._guest.cut()

    def close(self) -> None:
        """End the guest."""
        self._guest.destroy()


def inside(lab: Path, script: str, *arguments: str, stdin: str = "") -> str:
    """Run a shell script on the receiver's machine, which is outside all hosts; raises FAILED."""
    guest = Guest(lab / leftovers.HOSTS, IDENT, NAME, (ADDRESS,), ())
    return guest.inside(script, *arguments, stdin=stdin)


def messages(lab: Path) -> Iterator[tuple[str, Path, Message]]:
    """Yield (user, file, message) of all mail that arrived in the lab at this directory."""
    homes = lab / leftovers.HOSTS / IDENT / "m/home"
    for file in sorted(homes.glob("*/Maildir/new/*"), key=lambda path: path.stat().st_mtime):
        with file.open("rb") as stream:
            yield file.parts[-4], file, message_from_binary_file(stream, policy=default)


def wait_for_message(lab: Path, message_id: str, deadline: float = 30.0) -> str:
    """Return the text of a message as the receiver stored it, headers of its checks included.

    `lab` is the lab's directory, `deadline` in seconds. Raises NO_MESSAGE.
    """
    expected = message_id.strip("<>")

    def read() -> str | None:
        for _, file, message in messages(lab):
            if str(message["Message-ID"]).strip("<>") == expected:
                return file.read_text(errors="replace")
        return None

    if text := wait_until(read, seconds=deadline, longest_pause=PAUSE_SECONDS):
        return text
    disk = lab / leftovers.HOSTS / IDENT / "m"
    raise NO_MESSAGE(message_id=expected, seconds=deadline, where=disk)


def sender_of(text: str) -> str:
    """Return who sent a message to the receiver: address, PTR and HELO, as Postfix saw them."""
    flat = " ".join(text.split())
    match = re.search(rf"Received: from (\S+) \((\S+) \[([\d.]+)\]\)[^;]*? by {NAME} ", flat)
    if match is None:
        return "sent locally"
    helo, pointer, address = match.groups()
    return f"sent from {address}, PTR {pointer}, HELO {helo}"


def _answers_milter() -> bool:
    """Tell whether rspamd answers a milter's option negotiation; its port is open long before."""
    negotiation = struct.pack("!IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF)
    try:
        with socket.create_connection((ADDRESS, MILTER_PORT), 0.2) as stream:
            stream.settimeout(2)
            stream.sendall(negotiation)
            return stream.recv(5)[4:] == b"O"
    except OSError:
        return False


def _answers_smtp() -> bool:
    try:
        with socket.create_connection((ADDRESS, 25), 0.2) as stream:
            stream.settimeout(2)
            return stream.recv(4) == b"220 "
    except OSError:
        return False
