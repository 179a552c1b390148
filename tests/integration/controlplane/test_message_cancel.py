"""Cancelling messages: what waits is given up, and the answer says what was in other hands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from sender.faults import MESSAGE_NOT_FOUND, NO_FILTER, NOT_WAITING
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.test_message_lists import sent
from tests.support.faults import assert_shows

CLAIM = """
with gone as (delete from queue.ready where id = any(%s::uuid[]) returning *)
insert into queue.claimed (id, worker, token, begun_at, bucket_id, priority, due_at, tenant_id,
    expires_at, attempts, losses)
select id, 1, 1, case when id = %s then now() end, bucket_id, priority, due_at, tenant_id,
    expires_at, 0, 0
from gone
"""
COUNTS = "select (select count(*) from queue.ready), (select sum(jobs) from queue.arrivals)"


@pytest.fixture
async def acme(operator: httpx2.AsyncClient) -> dict[str, Any]:
    boxes = [{"address": f"{name}@acme.example"} for name in ("sales", "help")]
    return await create(operator, mailboxes=boxes)


async def test_message_that_waits_is_cancelled_and_one_in_work_is_not(
    acme, operator, client_of, upgraded
) -> None:
    client = await client_of(acme["id"])
    later = {"run_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    waiting, scheduled, claimed, begun, kept = await sent(client, {}, later, {}, {}, {})
    with psycopg.connect(upgraded) as database:
        database.execute(CLAIM, ([claimed, begun], begun))
    for caller, id_ in ((client, waiting), (operator, scheduled), (client, waiting)):
        answer = await caller.post(f"/messages/{id_}/cancel")
        assert answer.status_code == 200, answer.text
        assert (answer.json()["state"], answer.json()["reason"]) == ("cancelled", "cancelled")
    explained = (await client.get(f"/messages/{waiting}")).json()
    assert explained["meaning"]["words"] == "it was cancelled while it waited"
    (decision,) = [one for one in explained["decisions"] if one["state"] == "cancelled"]
    assert decision["message"].startswith("cancelled by key pm_live_")
    for id_, state in ((claimed, "queued"), (begun, "handing_over")):
        refused = await client.post(f"/messages/{id_}/cancel")
        assert refused.status_code == 409
        assert_shows(refused.json(), NOT_WAITING, id=id_, state=state)
    bob = await client_of((await create(operator, "bob"))["id"])
    assert_shows((await bob.post(f"/messages/{kept}/cancel")).json(), MESSAGE_NOT_FOUND, id=kept)
    with psycopg.connect(upgraded) as database:
        assert database.execute(COUNTS).fetchone() == (1, 3)


async def test_messages_are_cancelled_together_by_what_they_have_in_common(
    acme, operator, client_of, upgraded
) -> None:
    client = await client_of(acme["id"])
    ids = await sent(client, *[{}] * 4, {"from": "help@acme.example"})
    with psycopg.connect(upgraded) as database:
        database.execute(CLAIM, ([ids[1]], None))
    assert_shows((await client.post("/messages/cancel")).json(), NO_FILTER)
    chosen = {"from": "SALES@acme.example"}
    over = await client.post("/messages/cancel", params=chosen | {"state": "accepted"})
    assert over.json() == {"cancelled": [], "in_work": [], "next": None}
    done = (await client.post("/messages/cancel", params=chosen | {"limit": 2})).json()
    assert done == {"cancelled": [ids[3], ids[2]], "in_work": [], "next": ids[2]}
    following = chosen | {"limit": 2, "cursor": done["next"]}
    rest = (await client.post("/messages/cancel", params=following)).json()
    assert rest == {"cancelled": [ids[0]], "in_work": [ids[1]], "next": None}
    bob = await client_of((await create(operator, "bob"))["id"])
    nothing = await bob.post("/messages/cancel", params={"state": "queued"})
    assert nothing.json()["cancelled"] == []
    assert (await bob.post("/messages/cancel", params={"tenant": "acme"} | chosen)).is_error
    queued = (await client.get("/messages", params={"state": "queued"})).json()["items"]
    assert [item["id"] for item in queued] == [ids[4], ids[1]]
