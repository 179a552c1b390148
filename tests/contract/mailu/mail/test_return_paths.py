"""Reports of failures go to the next server whole, whatever is in them."""

from __future__ import annotations

import asyncio
import secrets
from email import message_from_bytes

import pytest

from tests.contract.mailu.conftest import Names
from tests.support.containers import OUTSIDE
from tests.support.mailu_containers import Mailu

from .conftest import OUT, Front, Person, text
from .next_server import next_server

PORT = 10026
NULL = "<>"
"""The null sender as aiosmtpd has it."""
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

    async with next_server(mailu.containers, PORT) as server:
        code, reply = await asyncio.to_thread(send)
        assert code == 250, reply
        mail = await server.mail(mark)
    assert mail.recipients == [recipient]
    assert (mail.sender == NULL) == (sender == "")  # the null sender is not rewritten
    assert b"offer.exe" in mail.content
    assert b"GTUBE" in mail.content


def test_bounce_to_a_rewritten_sender_is_taken(person: Person, front: Front, mailu: Mailu) -> None:
    mark = secrets.token_hex(6)
    client = front.smtp()
    assert client.envelope(OUT, person.address) == [250]
    assert client.data(text(OUT, person.address, mark))[0] == 250
    rewritten = message_from_bytes(person.received(mark))["Return-Path"].strip("<>")
    assert rewritten.startswith("SRS0=")
    forged = rewritten.replace("=someone@", "=another@")
    assert client.envelope("", rewritten, forged) == [250, 550]
