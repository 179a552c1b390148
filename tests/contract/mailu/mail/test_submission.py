"""What people send: with a token, as themselves, and not too much of it."""

from __future__ import annotations

import secrets
import smtplib
from email import message_from_bytes
from pathlib import Path

import pytest

from lab.commands import run
from tests.contract.mailu.conftest import PASSWORD, Names

from .conftest import Front, Person, text

TRACES = ("User-Agent: Thing 1.0", "X-Mailer: Thing", "X-Originating-IP: 192.0.2.1")
LIMIT = 50
"""MESSAGE_RATELIMIT of a day, which the suite takes for granted."""


def lay_key(keys: Path, domain: str) -> None:
    """Lay a domain's DKIM key, readable for admin."""
    file = keys / f"{domain}.mu1.key"
    file.write_text(
        run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    )
    file.chmod(0o644)


def test_mail_of_a_person_is_signed_and_has_no_traces(
    names: Names, person: Person, front: Front, keys: Path
) -> None:
    lay_key(keys, person.domain)
    mark = secrets.token_hex(6)
    client = front.submission(person.address, person.token)
    assert client.envelope(person.address, person.address) == [250]
    code, reply = client.data(text(person.address, person.address, mark, *TRACES))
    assert code == 250, reply
    message = message_from_bytes(person.received(mark))
    signature = "".join(message["DKIM-Signature"].split())
    assert f"d={person.domain};s=mu1;" in signature
    assert message["Return-Path"] == f"<{person.address}>"
    assert not {"User-Agent", "X-Mailer", "X-Originating-IP"} & set(message.keys())
    assert len(message.get_all("Received", [])) == 1  # that of the delivery alone


def test_person_may_send_as_an_alias_and_with_a_detail(
    names: Names, person: Person, front: Front
) -> None:
    alias = f"info@{person.domain}"
    names.client.made("/alias", {"email": alias, "destination": [person.address]})
    client = front.submission(person.address, person.token)
    assert client.envelope(alias, person.address) == [250]
    assert client.envelope(person.address.replace("@", "+more@"), person.address) == [250]


def test_person_may_not_send_as_another(names: Names, person: Person, front: Front) -> None:
    other = names.user(person.domain, "bob")
    client = front.submission(person.address, person.token)
    for sender in (other, "someone@far.test"):
        assert client.envelope(sender, person.address) == [553]
    assert client.envelope(f"nothing@{person.domain}", person.address) == [550]


def test_mail_of_a_person_to_an_address_that_does_not_exist_comes_back(
    person: Person, front: Front
) -> None:
    """It is taken: REJECT_UNLISTED_RECIPIENT is off unless it is set."""
    mark, nothing = secrets.token_hex(6), f"nothing@{person.domain}"
    client = front.submission(person.address, person.token)
    assert client.envelope(person.address, nothing) == [250]
    assert client.data(text(person.address, nothing, mark))[0] == 250
    report = message_from_bytes(person.received(mark))
    assert report.get_content_type() == "multipart/report"
    assert report["Return-Path"] == "<>"
    assert f"Final-Recipient: rfc822; {nothing}" in str(report)


def test_wrong_token_and_right_password_are_refused(person: Person, front: Front) -> None:
    for secret in (secrets.token_hex(16), PASSWORD):
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            front.submission(person.address, secret)
        assert refused.value.smtp_code == 535
    assert front.submission(person.address, person.token)


def test_nothing_is_sent_without_a_login(person: Person, front: Front) -> None:
    client = front.submission()
    client.ehlo()
    assert client.mail(person.address)[0] == 530


def test_mail_above_the_limit_of_a_day_is_deferred(person: Person, front: Front) -> None:
    client = front.submission(person.address, person.token)
    for _ in range(LIMIT):
        assert client.envelope(person.address, person.address) == [250]
    client.rset()
    client.mail(person.address)
    code, reply = client.rcpt(person.address)
    assert (code, reply.split()[0]) == (450, b"4.2.1")
    assert b"too many" in reply
