"""Erasure of a recipient: no table has the address any more, and the rows are still counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
from psycopg import sql

from controlplane import faults
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.test_message_cancel import CLAIM
from tests.integration.controlplane.test_message_lists import sent
from tests.support.faults import assert_shows

BOB = "bob.erased@rcpt.example"
END = """
with gone as (delete from queue.ready where id = %(id)s returning *), recorded as (
    update queue.records as record set state = %(state)s, note = 'mx1-2 4fX' from gone
    where record.id = gone.id
), dead as (
    insert into queue.dead (id, tenant_id, bucket_id, priority, due_at, expires_at, attempts, words,
        body)
    select gone.id, gone.tenant_id, bucket_id, priority, due_at, expires_at, 1, %(words)s, body.body
    from gone join queue.bodies as body using (id) where %(state)s = 'dead'
), doubtful as (
    insert into queue.unknown (id, token, tenant_id, bucket_id, priority, due_at, expires_at,
        attempts, losses, note)
    select id, 1, tenant_id, bucket_id, priority, due_at, expires_at, 1, 0, 'mx1-2' from gone
    where %(state)s = 'unknown'
)
insert into mail.events (message_id, tenant_id, kind, state, words, details)
select id, tenant_id, 'outcome', 'accepted', %(words)s, jsonb_build_object('reply', %(words)s::text)
from gone
"""
TABLES = """
select schemaname, tablename from pg_tables
where schemaname not in ('pg_catalog', 'information_schema')
"""
COUNT = "select count(*) from {} as row where row::text ilike {} or row::text like {}"


def tables_with(database: psycopg.Connection[Any], address: str) -> dict[str, int]:
    """Return the tables that have an address in a row, as text or in octets, with the rows."""
    found = {}
    for name in database.execute(TABLES).fetchall():
        query = sql.SQL(COUNT).format(
            sql.Identifier(*name), f"%{address}%", f"%{address.encode().hex()}%"
        )
        row = database.execute(query).fetchone()
        if row is not None and row[0]:
            found[".".join(name)] = row[0]
    return found


async def test_recipient_is_erased_everywhere(operator, client_of, upgraded) -> None:
    acme = await create(operator)
    client = await client_of(acme["id"])
    later = {"run_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    changes = [{"to": BOB, "subject": f"For {BOB}"} | more for more in ({}, {}, {}, {}, {}, later)]
    *ids, _ = await sent(client, *changes)
    (eve,) = await sent(client, {"to": "eve@rcpt.example"})
    with psycopg.connect(upgraded) as database:
        for id_, state in zip(ids, ("done", "dead", "unknown"), strict=False):
            database.execute(END, {"id": id_, "state": state, "words": f"250 <{BOB}> queued"})
        database.execute(CLAIM, ([ids[3]], None))
        assert {"mail.events", "queue.dead"} <= tables_with(database, BOB).keys()
    body = {"recipient": sha256(BOB.encode()).hexdigest(), "tenant": "acme", "reason": "asked for"}
    assert_shows((await client.post("/erasures", json=body)).json(), faults.OPERATORS_ONLY)
    first = await operator.post("/erasures", json=body)
    assert first.json() == {"erased": 5, "cancelled": 2, "in_work": 1}, first.text
    with psycopg.connect(upgraded) as database:
        database.execute("update queue.records set state = 'done' where id = %s", (ids[3],))
        database.execute("delete from queue.claimed")
    second = await operator.post("/erasures", json=body | {"tenant": None})
    assert second.json() == {"erased": 1, "cancelled": 0, "in_work": 0}
    with psycopg.connect(upgraded) as database:
        assert tables_with(database, BOB) == {}
        assert tables_with(database, "eve@rcpt.example").keys() > {"queue.bodies"}
    listed = (await client.get("/messages")).json()["items"]
    assert len(listed) == 7
    assert {item["to"] for item in listed} == {"", "eve@rcpt.example"}
    states = [item["state"] for item in reversed(listed)]
    ends = ["accepted", "bounced_infrastructure", "unknown", "accepted"]
    assert states == [*ends, "cancelled", "cancelled", "queued"]
    assert listed[0]["id"] == eve
    events = (await operator.get("/events", params={"latest": True, "limit": 2})).json()["items"]
    assert [event["reason"] for event in events] == ["RecipientErased"] * 2
    assert events[0]["message"].endswith("asked for")
    assert events[0]["actor"].startswith("pm_live_")
