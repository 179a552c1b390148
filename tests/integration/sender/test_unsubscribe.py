"""The endpoint behind List-Unsubscribe: a POST suppresses, a GET does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import httpx2
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from composition.parts.public import public_app
from kit.database import Role
from sender.database import sqlalchemy_url
from sender.schemas import SuppressionReason
from sender.suppression import recipient_hash, suppress_all
from sender.tokens import Tokens
from tests.support.installation import login

from .conftest import engine_as

TOKENS = Tokens(bytes(32))
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


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
    "table", ["queue.records", "mail.messages", "directory.entries", "suppression.entries"]
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


@pytest.mark.parametrize("slash", ["", "/"])
async def test_head_answers_like_get_and_changes_nothing(client, link, sender_engine, slash):
    shown = await client.get(link)
    answer = await client.head(link + slash)
    assert (answer.status_code, answer.headers) == (200, shown.headers)
    assert (await client.head(f"{link[:-4]}2222{slash}")).status_code == 404
    assert await suppressed(sender_engine) == []


@pytest.mark.parametrize("slash", ["", "/"])
async def test_get_shows_a_button_and_changes_nothing(client, link, sender_engine, slash):
    answer = await client.get(link + slash)
    assert answer.status_code == 200
    assert '<form method="post">' in answer.text
    assert await suppressed(sender_engine) == []


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("how", ["data", "files"])
async def test_post_suppresses_without_cookie_or_redirect(
    client, link, sender_engine, tenant_id, how, slash
):
    body = {"List-Unsubscribe": "One-Click" if how == "data" else (None, "One-Click")}
    for _ in range(2):
        answer = await client.post(link + slash, **{how: body})
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert await suppressed(sender_engine) == [(tenant_id, recipient_hash("bob@rcpt.example"))]


@pytest.mark.parametrize("path", ["/u", "/u/"])
@pytest.mark.parametrize("word", ["unsubscribe ", "Re: Unsubscribe\r\n ", ""])
async def test_mail_with_a_token_in_its_subject_suppresses(
    client, link, sender_engine, tenant_id, word, path
):
    token = link.removeprefix("/u/")
    mail = f"From: Bob <x@y.example>\r\nSubject: {word}{token}\r\n\r\nplease\r\n"
    answer = await client.post(path, content=mail)
    assert answer.status_code == 204
    assert await suppressed(sender_engine) == [(tenant_id, recipient_hash("bob@rcpt.example"))]


async def test_mail_without_a_token_in_its_subject_changes_nothing(client, link, sender_engine):
    token = link.removeprefix("/u/")
    for mail in ("", "Subject: Win!\r\n", f"\r\n{token}", f"Subject: {token[:-4]}2222", "\0\xff"):
        assert (await client.post("/u", content=mail)).status_code == 204
    assert (await client.get("/u")).status_code == 405
    assert await suppressed(sender_engine) == []


async def test_post_is_stored_beside_every_other_reason(client, link, sender_engine, tenant_id):
    others = set(SuppressionReason) - {SuppressionReason.UNSUBSCRIBED}
    for reason in others:
        async with sender_engine.begin() as connection:
            await suppress_all(
                connection,
                tenant_id=tenant_id,
                recipients=[recipient_hash("bob@rcpt.example")],
                reason=reason,
                source="test",
                now=NOW,
            )
    assert (await client.post(link)).status_code == 200
    async with sender_engine.connect() as connection:
        rows = await connection.execute(
            text("select reason, source, added_by from suppression.entries")
        )
        assert {tuple(row) for row in rows} == {
            ("unsubscribed", "one-click", None),
            *((reason.value, "test", None) for reason in others),
        }


@pytest.mark.parametrize(
    ("reason", "added_by"), [("bounced", None), ("manual", None), ("unsubscribed", "pm_live_x")]
)
async def test_public_login_adds_unsubscribes_only(public, tenant_id, reason, added_by):
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with public.begin() as connection:
            await suppress_all(
                connection,
                tenant_id=tenant_id,
                recipients=[recipient_hash("bob@rcpt.example")],
                reason=SuppressionReason(reason),
                source="test",
                added_by=added_by,
                now=NOW,
            )


@pytest.mark.parametrize("ending", ["2222", "%00", ""])
async def test_token_changed_is_refused(client, link, sender_engine, ending):
    path = link[:-4] + ending
    assert (await client.get(path)).status_code == 404
    assert (await client.post(path)).status_code == 404
    assert await suppressed(sender_engine) == []


@pytest.mark.parametrize("is_away", [True, False])
async def test_post_that_cannot_be_stored_is_to_be_repeated(
    upgraded, link, sender_engine, is_away, capfd
):
    """Also where a standby answers instead of the primary: what it refuses is stored nowhere."""
    dsn = make_conninfo(upgraded, port=1) if is_away else upgraded
    url = sqlalchemy_url(upgraded).partition("?")[0]
    options = {"options": "-c default_transaction_read_only=on"}
    engine = create_async_engine(url, connect_args={**conninfo_to_dict(dsn), **options})
    app = httpx2.ASGITransport(app=public_app(engine, TOKENS))
    async with httpx2.AsyncClient(transport=app, base_url="https://app.example") as client:
        answer = await client.post(link)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert (await client.get(link)).status_code == 200
    await engine.dispose()
    assert await suppressed(sender_engine) == []
    assert link.rpartition("/")[2] not in "".join(capfd.readouterr())
