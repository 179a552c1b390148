"""What leaves: by which name, signed how, with which envelope."""

from __future__ import annotations

import asyncio
import secrets
from email import message_from_bytes
from pathlib import Path

from tests.contract.mailu.conftest import Names
from tests.support.containers import ADDRESSES
from tests.support.mailu_containers import HOSTNAME, Mailu

from .conftest import OUT, Front, Person, text
from .next_server import next_server
from .test_submission import lay_key

PORT = 25


async def test_mail_of_a_person_leaves_by_the_name_of_the_host(
    person: Person, front: Front, mailu: Mailu, keys: Path
) -> None:
    lay_key(keys, person.domain)
    mark = secrets.token_hex(6)

    def send() -> None:
        client = front.submission(person.address, person.token)
        assert client.envelope(person.address, OUT) == [250]
        assert client.data(text(person.address, OUT, mark))[0] == 250

    async with next_server(mailu.containers, PORT) as server:
        await asyncio.to_thread(send)
        mail = await server.mail(mark)
    assert (mail.sender, mail.recipients) == (person.address, [OUT])
    assert (mail.helo, mail.peer) == (HOSTNAME, ADDRESSES["smtp"])
    message = message_from_bytes(mail.content)
    assert message["Subject"] == mark
    assert f"d={person.domain};" in "".join(message["DKIM-Signature"].split())


async def test_mail_that_is_forwarded_leaves_with_a_rewritten_sender(
    names: Names, person: Person, front: Front, mailu: Mailu
) -> None:
    forward = {"forward_enabled": True, "forward_destination": ["friend@away.test"]}
    changed = names.client("PATCH", f"/user/{person.address}", forward)
    assert changed.status_code == 200
    mark = secrets.token_hex(6)

    def send() -> None:
        client = front.smtp()
        assert client.envelope(OUT, person.address) == [250]
        assert client.data(text(OUT, person.address, mark))[0] == 250

    async with next_server(mailu.containers, PORT) as server:
        await asyncio.to_thread(send)
        mail = await server.mail(mark)
    assert mail.recipients == ["friend@away.test"]
    assert mail.sender.startswith("SRS0=")
    assert mail.sender.endswith("@platform.test")


async def test_bounce_of_forwarded_mail_names_the_sender_and_not_the_rewritten_one(
    names: Names, person: Person, front: Front, mailu: Mailu
) -> None:
    forward = {"forward_enabled": True, "forward_destination": [f"nothing@{person.domain}"]}
    assert names.client("PATCH", f"/user/{person.address}", forward).status_code == 200
    mark = secrets.token_hex(6)

    def send() -> None:
        client = front.smtp()
        assert client.envelope(OUT, person.address) == [250]
        assert client.data(text(OUT, person.address, mark))[0] == 250

    async with next_server(mailu.containers, PORT) as server:
        await asyncio.to_thread(send)
        mail = await server.mail(mark)
    assert (mail.sender, mail.recipients) == ("<>", [OUT])
    assert message_from_bytes(mail.content)["To"] == OUT
