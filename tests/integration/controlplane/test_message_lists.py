"""Lists of messages by state, reason, addresses and time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest

from kit.database import Role
from sender.schemas import State
from sender.search import Filter, search
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.test_messages_api import MESSAGE

END = """
with chosen as (
    select id, %(state)s as state, %(reason)s as reason from queue.records where id = %(id)s
)
update queue.records as record set state = chosen.state, reason = chosen.reason
from chosen where record.id = chosen.id
"""
BEGIN = """
insert into queue.claimed (id, worker, token, begun_at, bucket_id, priority, due_at, tenant_id,
    expires_at, attempts, losses)
select id, 1, 1, now(), bucket_id, priority, due_at, tenant_id, expires_at, 0, 0
from queue.records where id = %s
"""
HOLD = """
update queue.buckets set held_until = 'infinity', endless = true, reason = 'stopped'
where name ^@ %s
"""
ENDS = {
    State.ACCEPTED: ("done", None),
    State.UNKNOWN: ("unknown", "worker_lost"),
    State.DEFERRED: ("retry", "greylisted"),
    State.BOUNCED_CONTENT: ("dead", "too_big"),
    State.BOUNCED_INFRASTRUCTURE: ("dead", "login_refused"),
    State.EXPIRED: ("expired", "stopped"),
    State.CANCELLED: ("cancelled", "suppressed"),
}


@pytest.fixture
async def acme(operator: httpx2.AsyncClient) -> dict[str, Any]:
    boxes = [{"address": f"{name}@acme.example"} for name in ("sales", "help")]
    return await create(operator, mailboxes=boxes)


async def sent(client: httpx2.AsyncClient, *changes: dict[str, Any]) -> list[str]:
    body = {"messages": [MESSAGE | change for change in changes]}
    answer = await client.post("/messages/batch", json=body)
    return [item["id"] for item in answer.raise_for_status().json()["items"]]


async def every(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    """Return the ids of all pages."""
    found, cursor = [], None
    while True:
        page = await client.get("/messages", params=query | ({"cursor": cursor} if cursor else {}))
        found += [item["id"] for item in page.raise_for_status().json()["items"]]
        cursor = page.json()["next"]
        if cursor is None:
            return found


async def test_messages_are_found_by_state_and_reason(acme, client_of, upgraded) -> None:
    client = await client_of(acme["id"])
    ids = dict(zip(State, await sent(client, *[{}] * len(State)), strict=True))
    (held,) = await sent(client, {"from": "help@acme.example"})
    with psycopg.connect(upgraded) as database:
        for state, (written, reason) in ENDS.items():
            database.execute(END, {"id": ids[state], "state": written, "reason": reason})
        database.execute(BEGIN, (ids[State.HANDING_OVER],))
        database.execute(HOLD, ("help@acme.example ",))
    waiting = ids.pop(State.HELD)
    ids[State.HELD] = held
    for state, id_ in ids.items():
        found = await every(client, state=state)
        assert set(found) == ({id_, waiting} if state is State.QUEUED else {id_}), state
        for shown in found:
            explained = (await client.get(f"/messages/{shown}")).json()
            assert explained["message"]["state"] == state
    pair = await every(client, state=["bounced_content", "unknown"], limit=1)
    assert pair == sorted([ids[State.BOUNCED_CONTENT], ids[State.UNKNOWN]], reverse=True)
    assert await every(client, reason="stopped") == sorted([held, ids[State.EXPIRED]], reverse=True)
    assert await every(client, reason="stopped", state="held") == [held]
    assert (await client.get("/messages", params={"state": "sent"})).status_code == 422


async def test_messages_are_found_by_addresses_and_time(
    acme, operator, client_of, upgraded, pools
) -> None:
    client = await client_of(acme["id"])
    ids = await sent(client, *({"to": f"bob{number}@rcpt.example"} for number in range(5)))
    ids += await sent(
        client, {"from": "Help@acme.example", "to": "Bob1@rcpt.example", "campaign": "Autumn"}
    )
    assert await every(client, limit=2) == ids[::-1]
    assert await every(client, to="BOB1@rcpt.example", limit=1) == [ids[5], ids[1]]
    assert await every(client, **{"from": "help@ACME.example"}) == [ids[5]]
    assert await every(client, campaign="autumn") == [ids[5]]
    wanted, before = Filter(sender="help@acme.example"), None
    pages: list[list[str]] = []
    async with pools.begin(Role.API, tenant_id=UUID(acme["id"])) as connection:
        while len(pages) < 9:
            page = await search(
                connection, tenant_id=UUID(acme["id"]), wanted=wanted, before=before, most=2
            )
            pages.append([str(item.id) for item in page.items])
            before = page.next
            if before is None:
                break
    assert pages == [[ids[5]], [], [], []]
    with psycopg.connect(upgraded) as database:
        old = UUID(int=UUID(ids[0]).int - (3_600_000 << 80))
        database.execute("update mail.messages set id = %s where id = %s", (old, ids[0]))
        database.execute("update queue.records set id = %s where id = %s", (old, ids[0]))
    ids[0] = str(old)
    shown = (await client.get(f"/messages/{ids[1]}")).json()["message"]["created_at"]
    assert await every(client, since=shown) == ids[:0:-1]
    assert await every(client, until=shown.replace("Z", "+00:00")) == ids[:1]
    bob = await create(operator, "bob")
    other = await client_of(bob["id"])
    assert await every(other, to="bob1@rcpt.example") == []
    answer = await other.get("/messages", params={"tenant": "acme", "to": "bob1@rcpt.example"})
    assert answer.status_code == 404
