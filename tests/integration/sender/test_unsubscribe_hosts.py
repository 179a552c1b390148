"""Links in mail lead to the From domain's own host once the directory has it."""

from __future__ import annotations

import re
from email import message_from_bytes
from urllib.parse import urlsplit

import httpx2

from composition.parts.public import public_app
from kit.database import Role
from sender.directory import DirectoryEntry
from sender.schemas import State
from sender.tokens import Tokens
from tests.support.installation import login

from .conftest import TOKEN_KEY, engine_as, reaches, sending, value

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
OURS, OWN = "app.penguinmails.example", "u.acme.example"


def with_host(entry: DirectoryEntry, host: str | None) -> DirectoryEntry:
    [domain] = entry.domains
    changed = domain.model_copy(update={"unsubscribe_host": host})
    return entry.model_copy(update={"domains": (changed,)})


def links(mail: bytes) -> tuple[str, str]:
    """Return the link of the header, and that of the text."""
    message = message_from_bytes(mail)
    [header] = re.findall(r"<(https:[^>]+)>", message["List-Unsubscribe"])
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    [shown] = re.findall(r"https:\S+", payload.decode())
    return header, shown


async def test_links_lead_to_the_domain_once_it_is_published_and_to_the_platform_after(
    settings, entry, publish, submit, sink, sender_engine, upgraded
) -> None:
    found: list[tuple[str, str]] = []
    for number, host in enumerate([None, OWN, None]):
        await publish(with_host(entry, host))
        text = "Hello {{unsubscribe_url}}"
        message_id = await submit(to=f"bob{number}@rcpt.example", text=text)
        async with sending(settings):
            await reaches(sender_engine, message_id, State.ACCEPTED)
        found.append(links(sink.bodies()[-1]))

    assert [urlsplit(header).netloc for header, _ in found] == [OURS, OWN, OURS]
    assert all(header == shown for header, shown in found)
    engine = engine_as(upgraded, login(Role.PUBLIC))
    app = public_app(engine, Tokens(bytes.fromhex(TOKEN_KEY)))
    for host in (OURS, OWN):  # whichever the mail names
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=f"https://{host}") as client:
            for header, _ in found:
                answer = await client.post(urlsplit(header).path, data=ONE_CLICK)
                assert answer.status_code == 200
    await engine.dispose()
    assert await value(sender_engine, "select count(*) from suppression.entries") == len(found)
