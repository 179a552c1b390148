"""Events of messages: in an order in which nobody who goes on after one misses another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest

from kit.database import Role
from sender.events import START, events_after
from sender.faults import CURSOR_UNKNOWN
from sender.schemas import State
from tests.integration.controlplane.conftest import create
from tests.support.faults import assert_shows
from tests.support.waiting import reached

HAPPEN = """
insert into mail.events (message_id, tenant_id, kind, state, reason, words, at)
values (%s, %s, 'outcome', %s, 'r', %s, coalesce(%s, now()))
"""
MESSAGE = UUID("01990000-0000-7000-8000-00000000000a")


@pytest.fixture
async def acme(operator: httpx2.AsyncClient) -> dict[str, Any]:
    return await create(operator)


def happen(
    database: psycopg.Connection[Any],
    tenant: dict[str, Any],
    words: str,
    state: str = "accepted",
    message: UUID = MESSAGE,
    at: datetime | None = None,
) -> None:
    database.execute(HAPPEN, (message, tenant["id"], state, words, at))


async def words_after(client: httpx2.AsyncClient, cursor: str, **query: Any) -> tuple[Any, str]:
    answer = await client.get("/messages/events", params={"cursor": cursor} | query)
    page = answer.raise_for_status().json()
    return [item["message"] for item in page["items"]], page["next"]


async def appear(client: httpx2.AsyncClient, cursor: str, *words: str, **query: Any) -> str:
    """Wait for these events, for which open transactions of others may have to end."""
    seen, cursor = await reached(
        lambda: words_after(client, cursor, **query), lambda page: len(page[0]) >= len(words)
    )
    assert seen == list(words)
    return cursor


async def test_events_that_are_committed_late_are_not_missed(acme, client_of, upgraded) -> None:
    client = await client_of(acme["id"])
    with psycopg.connect(upgraded) as slow, psycopg.connect(upgraded, autocommit=True) as quick:
        happen(quick, acme, "first")
        happen(slow, acme, "begun before the third")
        happen(quick, acme, "third")
        cursor = await appear(client, "0-0", "first")
        assert await words_after(client, cursor) == ([], cursor)
        happen(slow, acme, "and its second")
        slow.commit()
        happen(quick, acme, "last")
    cursor = await appear(client, cursor, "begun before the third", "and its second", limit=2)
    await appear(client, cursor, "third", "last")


async def test_events_are_chosen_by_state_message_and_time(
    acme, operator, client_of, upgraded, pools
) -> None:
    client = await client_of(acme["id"])
    other, now = UUID(int=MESSAGE.int + 1), datetime.now(UTC)
    with psycopg.connect(upgraded) as database:
        happen(database, acme, "old", at=now - timedelta(days=2))
        for number in range(4):
            happen(database, acme, f"sent {number}")
        happen(database, acme, "bounced", "bounced_content", other)
    await appear(client, "0-0", "bounced", message=str(other))
    assert (await words_after(client, "0-0", since=now.isoformat(), limit=1))[0] == ["sent 0"]
    assert (await words_after(client, "0-0", state=["bounced_content"]))[0] == ["bounced"]
    cursor = START
    looks: list[tuple[int, bool]] = []
    async with pools.begin(Role.API, tenant_id=UUID(acme["id"])) as connection:
        while len(looks) < 4:
            page = await events_after(
                connection,
                cursor,
                tenant_id=UUID(acme["id"]),
                states=[State.BOUNCED_CONTENT],
                limit=10,
                most=4,
            )
            looks.append((len(page.items), page.next != cursor))
            cursor = page.next
    assert looks == [(0, True), (1, True), (0, False), (0, False)]
    bob = await client_of((await create(operator, "bob"))["id"])
    assert (await words_after(bob, "0-0"))[0] == []
    assert (await words_after(operator, "0-0", tenant="acme", limit=1))[0] == ["old"]


async def test_cursor_of_another_database_is_refused(acme, client_of) -> None:
    client = await client_of(acme["id"])
    late = await client.get("/messages/events", params={"cursor": "9999999999999-1"})
    assert late.status_code == 409
    assert_shows(late.json(), CURSOR_UNKNOWN, cursor="9999999999999-1")
    for wrong in ("1", "1-", "-1", "a-b", "99999999999999999999-1"):
        assert (await client.get("/messages/events", params={"cursor": wrong})).status_code == 422
