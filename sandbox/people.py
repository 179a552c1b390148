"""The demo's people: a mail client outside the host reads mail and answers it.

The client's machine is that of the lab's receiving server. The clients are Python's own and mbsync.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from inspect import getsource

from controlplane.mailboxes.schemas import NewToken
from kit.steps import step
from lab import mail_client, receiver
from lab.mail_client import Order, Outcome
from lab.running import required
from sandbox import local
from sandbox.narration import document, heading, penguin, say

SERVER = "mx1.acme.example"
BOX = "sales@acme.example"
CLIENT = "Demo"
"""Name of the mail client's token."""
FRIEND = f"alice@{receiver.DOMAIN}"
SECONDS = 120.0
"""Time limit for a mail from the receiving server to the mailbox, and for the answer back."""
SYNCHRONISE = """
directory=$(mktemp -d); trap 'rm -rf "$directory"' EXIT; cd "$directory"; umask 077
IFS= read -r password; printf '%s\\n' "$password" >password; cat >roots; mkdir mail
cat >config <<END
IMAPAccount sales
Host $0
User $1
PassCmd "cat $directory/password"
SSLType IMAPS
CertificateFile $directory/roots

IMAPStore far
Account sales

MaildirStore near
Inbox $directory/mail/

Channel inbox
Far :far:
Near :near:
Create Near
SyncState *
END
mbsync -q -c config inbox
find mail -path '*/new/*' -type f -o -path '*/cur/*' -type f | wc -l
"""
"""Copies an inbox: $0 is the server, $1 the user; the password is the input's first line, and the
trusted authorities follow it."""


STAND_INS = """All images of Mailu are stand-ins of the lab: Postfix, Dovecot, rspamd, nginx and
unbound are real, their configurations are our own, and `admin` is an imitation."""


def show(environment: Mapping[str, str]) -> str | None:
    """Write to a mailbox from outside, read that in a mail client, and answer.

    Returns the Message-ID of the answer, None where mail clients would not trust the host.
    """
    roots = required(local.lab_dir()).acme_root
    if roots is None:
        say("Mail clients trust public authorities, and Pebble is not installed here.")
        return None
    heading(f"a mail client for {BOX}")
    say(STAND_INS)
    penguin(environment, "mailboxes", "settings", BOX)
    made = document(environment, "mailboxes", "token", BOX, "--name", CLIENT)
    try:
        return _mail(NewToken.model_validate_json(made).token, roots.read_text())
    finally:
        penguin(environment, "mailboxes", "revoke", BOX, CLIENT, "--yes")


def _mail(token: str, roots: str) -> str:
    """Show both ways of mail; return the Message-ID of the answer."""
    outcome = _read_and_answered(_written(), token, roots)
    heading("what Python's imaplib read, the certificate verified")
    say(f"From: {outcome['sender']}\nSubject: {outcome['subject']}\n\n{outcome['text']}")
    copied = _inside(SYNCHRONISE, SERVER, BOX, stdin=f"{token}\n{roots}")
    say(f"\nmbsync copied the inbox; mails in it: {copied.strip()}")
    return outcome["reply_id"]


def _written() -> str:
    """Let the friend write; return the Message-ID."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = FRIEND, BOX, "A question"
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=receiver.DOMAIN)
    mail.set_content("Do you deliver on Sundays?")
    _inside('sendmail -f "$0" -t', FRIEND, stdin=mail.as_string())
    return str(mail["Message-ID"])


def _read_and_answered(message_id: str, token: str, roots: str) -> Outcome:
    order = Order(
        server=SERVER,
        user=BOX,
        password=token,
        roots=roots,
        message_id=message_id,
        seconds=SECONDS,
        reply="We do, until noon.",
    )
    with step(f"a mail from {FRIEND} to {BOX}, and the answer"):
        printed = _inside('exec python3 -c "$0"', getsource(mail_client), stdin=json.dumps(order))
    outcome: Outcome = json.loads(printed)
    return outcome


def _inside(script: str, *arguments: str, stdin: str) -> str:
    return receiver.inside(local.lab_dir(), script, *arguments, stdin=stdin)
