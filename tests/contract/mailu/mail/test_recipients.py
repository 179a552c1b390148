"""What port 25 says to a server outside, and whose mail it takes."""

from __future__ import annotations

import smtplib

import pytest

from tests.contract.mailu.conftest import Names
from tests.support.containers import GATEWAY
from tests.support.mail_clients import SmtpClient
from tests.support.mailu_containers import Mailu

from .conftest import OUT, Front, Person

ALWAYS = {"pipelining", "size", "etrn", "enhancedstatuscodes", "8bitmime", "dsn"}


def test_port_25_offers_starttls_and_no_login(front: Front) -> None:
    client = front.smtp()
    client.ehlo()
    assert set(client.esmtp_features) == ALWAYS | {"starttls"}
    client.starttls(context=front.trust)
    client.ehlo()
    assert set(client.esmtp_features) == ALWAYS
    with pytest.raises(smtplib.SMTPNotSupportedError):
        client.login("ada@contract.test", "a password")


def test_size_of_a_message_is_limited(front: Front) -> None:
    client = front.smtp()
    client.ehlo()
    limit = int(client.esmtp_features["size"])
    assert client.mail(OUT, [f"size={limit + 1}"])[0] in (250, 552)
    assert client.rcpt("ada@contract.test")[0] in (503, 550, 552, 554)


def test_mail_for_users_and_aliases_is_taken(names: Names, person: Person, front: Front) -> None:
    alias = f"info@{person.domain}"
    names.client.made("/alias", {"email": alias, "destination": [person.address]})
    detail = person.address.replace("@", "+detail@")
    upper = person.address.upper()
    codes = front.smtp().envelope(OUT, person.address, alias, detail, upper)
    assert codes == [250, 250, 250, 250]


def test_mail_for_an_address_that_does_not_exist_is_refused(person: Person, front: Front) -> None:
    client = front.smtp()
    assert client.envelope(OUT, person.address) == [250]
    code, reply = client.rcpt(f"nothing@{person.domain}")
    assert (code, reply.split()[0]) == (550, b"5.1.1")


def test_every_address_of_a_relay_name_is_taken(names: Names, person: Person, front: Front) -> None:
    name = f"b.{person.domain}"
    client = front.smtp()
    assert client.envelope(OUT, f"first@{name}") == [554]
    names.client.made("/relay", {"name": name, "smtp": "[203.0.113.9]:10026"})
    assert client.envelope(OUT, f"b+token@{name}", f"any@{name}") == [250, 250]


@pytest.mark.parametrize("sender", [OUT, "", "ada@{domain}", "ada@platform.test"])
def test_mail_for_others_is_refused(person: Person, front: Front, sender: str) -> None:
    client = front.smtp()
    client.envelope(sender.format(domain=person.domain), person.address)
    code, reply = client.rcpt("other@elsewhere.test")
    assert (code, reply.split()[0]) == (554, b"5.7.1")


def test_domain_that_no_name_server_knows_is_refused_for_now(front: Front) -> None:
    """It is asked for before relaying is refused."""
    client = front.smtp()
    client.envelope(OUT)
    code, reply = client.rcpt("other@elsewhere.invalid")
    assert (code, reply.split()[0]) == (450, b"4.1.2")


@pytest.mark.parametrize(
    ("sender", "answer"),
    [("other@elsewhere.invalid", (450, b"4.1.8")), ("other@elsewhere", (504, b"5.5.2"))],
)
def test_sender_without_a_domain_of_its_own_is_refused(
    person: Person, front: Front, sender: str, answer: tuple[int, bytes]
) -> None:
    client = front.smtp()
    client.envelope(sender)
    code, reply = client.rcpt(person.address)
    assert (code, reply.split()[0]) == answer


def test_what_comes_from_the_subnet_is_relayed_for_anybody(mailu: Mailu) -> None:
    """The trap of a host whose connections reach front as the gateway of the bridge."""
    with SmtpClient(mailu.containers.connect("front", 25, GATEWAY), "front") as client:
        assert client.envelope(OUT, "other@elsewhere.test") == [250]
