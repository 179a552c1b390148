"""What arrives: in which folder, with which envelope, and what is refused on the way."""

from __future__ import annotations

import secrets
from email import message_from_bytes

import pytest

from tests.contract.mailu.conftest import Names
from tests.support.mailu_containers import Mailu
from tests.support.waiting import wait_for

from .conftest import OUT, Front, Person, text

OURS = "boss@platform.test"
"""Of a domain that was there when antispam started: it learns of others a little later."""


def sent(front: Front, sender: str, recipient: str, *headers: str) -> str:
    """Send a message from outside; return its mark."""
    mark = secrets.token_hex(6)
    client = front.smtp()
    assert client.envelope(sender, recipient) == [250]
    code, reply = client.data(text(sender, recipient, mark, *headers))
    assert code == 250, reply
    client.quit()
    return mark


def test_mail_arrives_with_its_sender_rewritten(person: Person, front: Front) -> None:
    message = message_from_bytes(person.received(sent(front, OUT, person.address)))
    assert message["Return-Path"].startswith("<SRS0=")
    assert message["Return-Path"].endswith("=far.test=someone@platform.test>")
    assert message["Delivered-To"] == person.address
    assert message["From"] == OUT
    assert "dkim=none" in message["Authentication-Results"]


def test_mail_of_an_alias_arrives_at_its_destination(
    names: Names, person: Person, front: Front
) -> None:
    alias = f"info@{person.domain}"
    names.client.made("/alias", {"email": alias, "destination": [person.address]})
    assert person.received(sent(front, OUT, alias))


def test_mail_with_a_detail_arrives_in_the_inbox(person: Person, front: Front) -> None:
    detail = person.address.replace("@", "+detail@")
    message = message_from_bytes(person.received(sent(front, OUT, detail)))
    assert message["Delivered-To"] == person.address.replace("@", "+detail@")


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n"])
def test_message_hidden_in_another_stays_part_of_it(
    person: Person, front: Front, end: bytes
) -> None:
    mark, hidden = secrets.token_hex(6), secrets.token_hex(6)
    client = front.smtp()
    assert client.envelope(OUT, person.address) == [250]
    assert client.docmd("data")[0] == 354
    commands = f"MAIL FROM:<>\r\nRCPT TO:<{person.address}>\r\nDATA\r\n{hidden}".encode()
    client.send(text(OUT, person.address, mark) + end + commands + b"\r\n.\r\n")
    assert client.getreply()[0] == 250
    assert client.noop()[0] == 250  # nothing else was answered
    assert hidden.encode() in person.received(mark)


def test_mail_that_claims_to_be_from_a_domain_of_ours_is_refused(
    person: Person, front: Front
) -> None:
    def refused() -> bool:
        client = front.smtp()
        assert client.envelope(OUT, person.address) == [250]
        code, _ = client.data(text(OURS, person.address, secrets.token_hex(6)))
        return code == 554

    wait_for(refused)


def test_attachment_that_can_be_run_is_refused(person: Person, front: Front) -> None:
    client = front.smtp()
    assert client.envelope(OUT, person.address) == [250]
    name = 'Content-Disposition: attachment; filename="invoice.exe"'
    kind = "Content-Type: application/octet-stream"
    code, _ = client.data(text(OUT, person.address, secrets.token_hex(6), name, kind))
    assert code == 554


def test_what_a_user_has_used_is_reported(names: Names, person: Person, front: Front) -> None:
    person.received(sent(front, OUT, person.address))
    path = f"/user/{person.address}"
    wait_for(lambda: names.client("GET", path).json()["quota_bytes_used"] > 0)


def test_mail_is_kept_when_its_user_is_removed(
    names: Names, person: Person, front: Front, mailu: Mailu
) -> None:
    mark = sent(front, OUT, person.address)
    person.received(mark)
    assert names.client("DELETE", f"/user/{person.address}").status_code == 200
    folder = mailu.containers.volume("mail") / person.address
    found = [path for path in folder.rglob("*") if path.is_file()]
    assert any(mark.encode() in path.read_bytes() for path in found)
