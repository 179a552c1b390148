"""Reports of failures go to the next server whole, whatever is in them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.contract.mailu.conftest import Names
from tests.support.containers import OUTSIDE, Containers
from tests.support.mailu_containers import Mailu

from .conftest import OUT, Front

PORT = 10026
ORIGINAL = """Subject: {mark}
From: sender@far.test
To: someone@elsewhere.test
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=inner

--inner
Content-Type: text/html

<a href="http://pills.test/">XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X</a>
--inner
Content-Type: application/octet-stream; name=offer.exe
Content-Disposition: attachment; filename=offer.exe

MZ
--inner--
"""
REPORT = """From: MAILER-DAEMON@far.test
To: {recipient}
Subject: Undelivered Mail
Message-ID: <{mark}@far.test>
Date: Sun, 29 Nov 2026 12:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=outer

--outer
Content-Type: message/delivery-status

Reporting-MTA: dns; far.test

Final-Recipient: rfc822; someone@elsewhere.test
Action: failed
Status: 5.1.1

--outer
Content-Type: message/rfc822

{original}
--outer--
"""


class NextServer:
    """Keeps what it takes."""

    def __init__(self) -> None:
        self.mails: asyncio.Queue[Envelope] = asyncio.Queue()

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.mails.put_nowait(envelope)
        return "250 2.0.0 Ok"


@asynccontextmanager
async def next_server(containers: Containers) -> AsyncIterator[NextServer]:
    """Run a server outside, to which relay names send."""
    taken = NextServer()
    listener = containers.listen(PORT)
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(taken), sock=listener)
    yield taken
    server.close()


@pytest.mark.parametrize("sender", ["", OUT])
async def test_report_with_a_spam_original_arrives_whole(
    names: Names, domain: str, front: Front, mailu: Mailu, sender: str
) -> None:
    name, mark = f"b.{domain}", secrets.token_hex(6)
    names.client.made("/relay", {"name": name, "smtp": f"[{OUTSIDE}]:{PORT}"})
    recipient = f"b+token@{name}"
    original = ORIGINAL.format(mark=mark)
    report = REPORT.format(recipient=recipient, mark=mark, original=original)

    def send() -> tuple[int, bytes]:
        client = front.smtp()
        assert client.envelope(sender, recipient) == [250]
        return client.data(report)

    async with next_server(mailu.containers) as server:
        code, reply = await asyncio.to_thread(send)
        assert code == 250, reply
        envelope = await asyncio.wait_for(server.mails.get(), 60)
    assert envelope.rcpt_tos == [recipient]
    assert (envelope.mail_from == "<>") == (sender == "")  # the null sender is not rewritten
    assert b"offer.exe" in (envelope.original_content or b"")
    assert b"GTUBE" in (envelope.original_content or b"")
