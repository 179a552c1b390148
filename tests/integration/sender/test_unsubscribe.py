"""The endpoint behind List-Unsubscribe: a POST suppresses, a GET does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from composition.parts.public import public_app
from kit.database import Role
from sender.suppression import recipient_hash
from sender.tokens import Tokens
from tests.support.installation import login

from .conftest import engine_as

TOKENS = Tokens(bytes(32))


@pytest.fixture
async def public(upgraded: str) -> AsyncIterator[AsyncEngine]:
    """An engine with the login of the public endpoints."""
    engine = engine_as(upgraded, login(Role.PUBLIC))
    yield engine
    await engine.dispose()


@pytest.fixture
async def client(public: AsyncEngine) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=public_app(public, TOKENS))
    async with httpx2.AsyncClient(transport=transport, base_url="https://app.example") as client:
        yield client


@pytest.mark.parametrize(
    "table", ["queue.jobs", "queue.payloads", "directory.entries", "suppression.entries"]
)
async def test_public_login_reads_nothing(public, table):
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with public.connect() as connection:
            await connection.execute(text(f"table {table}"))


@pytest.fixture
def link(tenant_id: UUID) -> str:
    return f"/u/{TOKENS.unsubscribe(tenant_id, recipient_hash('bob@rcpt.example'))}"


async def suppressed(sender_engine: AsyncEngine) -> list[tuple[UUID, bytes]]:
    async with sender_engine.connect() as connection:
        rows = await connection.execute(
            text("select tenant_id, recipient from suppression.entries")
        )
        return [(row.tenant_id, bytes(row.recipient)) for row in rows]


async def test_get_shows_a_button_and_changes_nothing(client, link, sender_engine):
    answer = await client.get(link)
    assert answer.status_code == 200
    assert '<form method="post">' in answer.text
    assert await suppressed(sender_engine) == []


@pytest.mark.parametrize("how", ["data", "files"])
async def test_post_suppresses_without_cookie_or_redirect(
    client, link, sender_engine, tenant_id, how
):
    body = {"List-Unsubscribe": "One-Click" if how == "data" else (None, "One-Click")}
    for _ in range(2):
        answer = await client.post(link, **{how: body})
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert await suppressed(sender_engine) == [(tenant_id, recipient_hash("bob@rcpt.example"))]


@pytest.mark.parametrize("ending", ["2222", "%00", ""])
async def test_token_changed_is_refused(client, link, sender_engine, ending):
    path = link[:-4] + ending
    assert (await client.get(path)).status_code == 404
    assert (await client.post(path)).status_code == 404
    assert await suppressed(sender_engine) == []
