"""The part `webmail`: an imitation of a webmail for one page. It reads and sends mail for people.

Front says by headers who has logged in, and by which token webmail logs in for them at front's
ports for webmail. No other client reaches it: what it is sent is believed.
"""

from __future__ import annotations

import imaplib
import smtplib
import sys
from collections.abc import Mapping, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from lab.mailu.container import environment, processes

PORT, IMAP, SMTP = 80, 10143, 10025
OVERRIDES = Path("/overrides")
SECONDS = 60.0
PAGE = """<!doctype html>
<title>Webmail</title>
<p>This is a stand-in of the lab, not Roundcube. You are {user}.</p>
<ul>
{mails}</ul>
<form method="post">
<label>To <input name="to" type="email" required></label>
<label>Subject <input name="subject" required></label>
<label>Text <textarea name="text"></textarea></label>
<button>Send</button>
</form>
"""


def start(_: Sequence[str], environ: Mapping[str, str]) -> None:
    """Serve; this process hands the signals on."""
    known = environment.read(environ)
    if settings := sorted(path.name for path in OVERRIDES.glob("*.php")):
        raise environment.Refused(f"the stand-in has nothing that reads {', '.join(settings)}")
    front = known.values.get("FRONT_ADDRESS", "front")
    processes.run([("python3", "-m", "lab.mailu.container.webmail", front)], environ)


def subjects(front: str, user: str, token: str) -> list[str]:
    """Return sender and subject of all mail in the inbox, the newest first."""
    with imaplib.IMAP4(front, IMAP, timeout=SECONDS) as client:
        client.login(user, token)
        client.select("INBOX", readonly=True)
        _, [numbers] = client.search(None, "ALL")
        lines = []
        for number in reversed(numbers.split()):
            _, data = client.fetch(number.decode(), "(BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)])")
            headers = b"".join(part[1] for part in data if isinstance(part, tuple))
            mail = message_from_bytes(headers, policy=policy.default)
            lines.append(f"{mail['From']}: {mail['Subject']}")
        return lines


def send(front: str, user: str, token: str, form: Mapping[str, str]) -> None:
    """Send a mail as its user."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = user, form["to"], form["subject"]
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=user.rpartition("@")[2])
    mail.set_content(form.get("text", ""))
    with smtplib.SMTP(front, SMTP, timeout=SECONDS) as client:
        client.login(user, token)
        client.send_message(mail)


class _Person(BaseHTTPRequestHandler):
    """One request. A refusal of front's is shown with its reason."""

    front: str
    server_version = "stand-in for webmail"
    timeout = SECONDS

    def do_GET(self) -> None:
        """Show the inbox; `/ping` is for the health command."""
        if self.path == "/ping":
            self._answer(200, "stand-in\n")
        elif (who := self._who()) is not None:
            self._show(who)

    def do_POST(self) -> None:
        """Send a mail, and lead back to the inbox."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        who = self._who()
        if who is None:
            return
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if not {"to", "subject"} <= form.keys():
            self._answer(400, "a mail needs a recipient and a subject\n")
            return
        try:
            send(self.front, *who, form)
        except (OSError, smtplib.SMTPException) as error:
            self._answer(502, f"{escape(str(error))}\n")
        else:
            self._answer(303, "", Location=".")

    def _who(self) -> tuple[str, str] | None:
        user, token = self.headers.get("X-Remote-User"), self.headers.get("X-Remote-User-Token")
        if not user or not token:
            self._answer(403, "front has not said who this is\n")
            return None
        return user, token

    def _show(self, who: tuple[str, str]) -> None:
        try:
            mails = subjects(self.front, *who)
        except (OSError, imaplib.IMAP4.error) as error:
            self._answer(502, f"{escape(str(error))}\n")
            return
        lines = "".join(f"<li>{escape(mail)}</li>\n" for mail in mails)
        self._answer(200, PAGE.format(user=escape(who[0]), mails=lines))

    def _answer(self, status: int, text: str, **headers: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def serve(front: str) -> None:
    """Answer for ever, as many people at a time as come."""
    handler = type("Person", (_Person,), {"front": front})
    with ThreadingHTTPServer(("0.0.0.0", PORT), handler) as server:  # noqa: S104 - in a container
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1])
