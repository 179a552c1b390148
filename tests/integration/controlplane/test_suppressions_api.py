"""Suppressions through the API: one row for each reason, rights, look-up, removal, batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from blueprint.faults import INVALID
from controlplane import faults
from controlplane.database import API
from controlplane.identity.keys import Scope
from controlplane.suppressions.schemas import MOST_ADDRESSES
from sender import migrations
from sender.faults import NOT_JUSTIFIED
from sender.schemas import SuppressionReason
from sender.suppression import recipient_hash
from tests.integration.controlplane.conftest import document
from tests.support.faults import assert_shows
from tests.support.installation import INSTALLATION

BOB = "bob@rcpt.example"


@pytest.fixture
async def acme(operator: httpx2.AsyncClient) -> dict[str, Any]:
    return dict((await operator.post("/tenants", json=document())).json())


@pytest.fixture
async def tenant(
    acme: dict[str, Any], client_of: Callable[..., Awaitable[httpx2.AsyncClient]]
) -> httpx2.AsyncClient:
    return await client_of(acme["id"])


async def add(client: httpx2.AsyncClient, *addresses: str, **body: Any) -> dict[str, Any]:
    answer = await client.post("/suppressions", json={"addresses": addresses} | body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def reasons_of(client: httpx2.AsyncClient, address: str, **query: str) -> list[str]:
    answer = await client.post("/suppressions/check", json={"address": address}, params=query)
    assert answer.status_code == 200, answer.text
    return [item["reason"] for item in answer.json()["items"]]


async def test_address_has_one_row_for_each_reason_with_who_added_it(tenant, clock):
    for reason in SuppressionReason:
        assert await add(tenant, BOB, reason=reason) == {"added": 1, "known": 0}
        clock.advance(minutes=1)
        assert await add(tenant, BOB, reason=reason) == {"added": 0, "known": 1}
    items = (await tenant.get("/suppressions")).json()["items"]
    assert [item["reason"] for item in items] == list(SuppressionReason)[::-1]
    assert {item["recipient"] for item in items} == {recipient_hash(BOB).hex()}
    assert all(item["added_by"].startswith("pm_live_") for item in items)
    assert {item["source"] for item in items} == {"api"}
    assert items[-1]["added_at"] == "2026-11-24T12:00:00Z"
    assert await reasons_of(tenant, BOB) == list(SuppressionReason)


async def test_addresses_that_differ_in_case_only_are_the_same(tenant):
    await add(tenant, BOB)
    for written in ("Bob@rcpt.example", "BOB@RCPT.EXAMPLE"):
        assert await reasons_of(tenant, written) == ["manual"]
        assert await add(tenant, written) == {"added": 0, "known": 1}
    for written in ("bob+news@rcpt.example", "b.ob@rcpt.example", "bob@xn--rcpt-kva.example"):
        assert await reasons_of(tenant, written) == []


NO_ADDRESSES = {
    "bob@rcpt.example.": "write the domain without a final dot; did you mean",
    "bob@münchen.example": "write the domain in Punycode (xn--…); did you mean",
    "bob\0@rcpt.example": "write it without control characters",
    "bøb@rcpt.example": "use ASCII characters before the @",
    "Bob <bob@rcpt.example>": "write one address alone",
    "bob": "write the whole address",
    "": "write the whole address",
    f"{'a' * 65}@rcpt.example": "use at most 64 characters",
}


@pytest.mark.parametrize("path", ["", "/check", "/remove"])
async def test_text_that_is_no_address_is_refused_with_what_to_write(tenant, path):
    for written, remedy in NO_ADDRESSES.items():
        body = {"address": written} if path else {"addresses": [BOB, written]}
        answer = await tenant.post(f"/suppressions{path}", json=body)
        assert_shows(answer.json(), INVALID, mistakes="1 mistake")
        [violation] = answer.json()["violations"]
        assert violation["path"] == ("address" if path else "addresses[1]")
        assert violation["remedy"].startswith(remedy)
    assert await reasons_of(tenant, BOB) == []


async def test_suppression_of_another_tenant_is_invisible_and_stays(operator, tenant, client_of):
    bob = (await operator.post("/tenants", json=document("bob"))).json()
    other = await client_of(bob["id"])
    await add(tenant, BOB, reason="bounced")
    assert await reasons_of(other, BOB) == []
    assert (await other.get("/suppressions")).json()["items"] == []
    removed = await other.post("/suppressions/remove", json={"address": BOB})
    assert removed.json() == {"items": []}
    for method, path in (
        ("GET", ""), ("POST", ""), ("POST", "/check"), ("POST", "/remove")
    ):  # fmt: skip
        body = {"addresses": [BOB]} if path == "" else {"address": BOB}
        answer = await other.request(
            method,
            f"/suppressions{path}",
            params={"tenant": "acme"},
            json=None if method == "GET" else body,
        )
        assert_shows(answer.json(), faults.NOT_FOUND)
    assert await reasons_of(operator, BOB, tenant="acme") == ["bounced"]
    assert await reasons_of(operator, BOB, tenant="bob") == []


async def test_operator_needs_the_tenant(operator, acme):
    for path, body in (("", {"addresses": [BOB]}), ("/check", {"address": BOB})):
        answer = await operator.post(f"/suppressions{path}", json=body)
        assert_shows(answer.json(), faults.TENANT_MISSING)
    assert_shows((await operator.get("/suppressions")).json(), faults.TENANT_MISSING)


async def test_row_of_another_tenant_is_refused_by_the_database(operator, acme, pools):
    bob = (await operator.post("/tenants", json=document("bob"))).json()
    insert = text(
        "insert into suppression.entries (id, tenant_id, recipient, reason, source, added_at) "
        "values (gen_random_uuid(), :tenant, sha256('x'), 'manual', 'x', now())"
    )
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with pools.begin(API, tenant_id=UUID(acme["id"])) as connection:
            await connection.execute(insert, {"tenant": bob["id"]})


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "", Scope.MESSAGES_READ),
        ("POST", "", Scope.MESSAGES_SEND),
        ("POST", "/check", Scope.MESSAGES_READ),
        ("POST", "/remove", Scope.TENANTS_WRITE),
    ],
)
async def test_key_without_the_scope_is_refused(acme, client_of, method, path, needed):
    client = await client_of(acme["id"], tuple(scope for scope in Scope if scope is not needed))
    answer = await client.request(method, f"/suppressions{path}")
    assert_shows(answer.json(), faults.SCOPE_MISSING, scope=needed)


@pytest.mark.parametrize("wish", ["unsubscribed", "complained"])
async def test_wish_of_the_recipient_is_removed_only_with_a_recorded_justification(tenant, wish):
    await add(tenant, BOB, reason=wish)
    await add(tenant, BOB, reason="bounced")
    answer = await tenant.post("/suppressions/remove", json={"address": BOB})
    assert_shows(answer.json(), NOT_JUSTIFIED, reason=wish)
    assert answer.status_code == 409
    blank = {"address": BOB, "justification": "\u200b"}
    assert (await tenant.post("/suppressions/remove", json=blank)).status_code == 422
    assert await reasons_of(tenant, BOB) == [wish, "bounced"]  # nothing was removed by half
    body = {"address": "BOB@rcpt.example", "justification": "asked again, ticket 4711"}
    removed = (await tenant.post("/suppressions/remove", json=body)).json()["items"]
    assert {item["reason"] for item in removed} == {wish, "bounced"}
    assert await reasons_of(tenant, BOB) == []
    [event] = [
        e for e in (await tenant.get("/events")).json()["items"] if e["kind"] == "suppression"
    ]
    assert event["subject"] == f"suppression/{recipient_hash(BOB).hex()}"
    assert event["message"] == f"{wish}, bounced: asked again, ticket 4711"
    assert event["actor"].startswith("pm_live_")
    assert BOB not in str(event)


async def test_one_reason_is_removed_and_the_others_stay(tenant):
    await add(tenant, BOB, reason="unsubscribed")
    await add(tenant, BOB, reason="bounced")
    body = {"address": BOB, "reason": "bounced"}
    for expected in (["bounced"], []):
        removed = (await tenant.post("/suppressions/remove", json=body)).json()["items"]
        assert [item["reason"] for item in removed] == expected
    assert await reasons_of(tenant, BOB) == ["unsubscribed"]


async def test_suppressions_are_listed_in_pages_newest_first(tenant):
    for number in range(5):
        await add(tenant, f"{number}@rcpt.example", reason="bounced" if number % 2 else "manual")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await tenant.get("/suppressions", params={"limit": 2, **cursor})).json()
        seen += [item["recipient"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == [recipient_hash(f"{number}@rcpt.example").hex() for number in range(5)][::-1]
    bounced = (await tenant.get("/suppressions", params={"reason": "bounced"})).json()["items"]
    assert [item["recipient"] for item in bounced] == [seen[1], seen[3]]


async def test_requests_with_the_same_addresses_at_once_store_each_once(tenant):
    numbers = [f"{number}@rcpt.example" for number in range(MOST_ADDRESSES)]
    orders = (numbers, numbers[::-1], [address.upper() for address in numbers])
    *results, removed = await asyncio.gather(
        *(add(tenant, *addresses, reason="bounced") for addresses in orders),
        tenant.post("/suppressions/remove", json={"address": numbers[0]}),
    )
    stored = len(numbers) - 1 + len(await reasons_of(tenant, numbers[0]))
    assert sum(result["added"] for result in results) == stored + len(removed.json()["items"])


async def test_too_many_addresses_are_refused(tenant):
    for count in (0, MOST_ADDRESSES + 1):
        answer = await tenant.post("/suppressions", json={"addresses": [BOB] * count})
        assert_shows(answer.json(), INVALID, mistakes="1 mistake")
    longest = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 52}.example"
    assert await add(tenant, *[longest] * MOST_ADDRESSES) == {"added": 1, "known": 0}


def test_upgrade_keeps_who_unsubscribed(database):
    migrations.upgrade(database, INSTALLATION, "0001")
    with psycopg.connect(database) as admin:
        admin.execute(
            "insert into suppression.entries (tenant_id, recipient, reason, source, added_at) "
            "select gen_random_uuid(), sha256(n::text::bytea), 'unsubscribed', 'one-click', "
            "timestamptz '2026-11-24 12:00Z' + n * interval '1 second' from generate_series(1, 3) n"
        )
    migrations.upgrade(database, INSTALLATION)
    with psycopg.connect(database) as admin:
        rows = admin.execute(
            "select source, added_by, added_at from suppression.entries order by id"
        ).fetchall()
    assert [(source, by) for source, by, _ in rows] == [("one-click", None)] * 3
    assert [at for *_, at in rows] == sorted(at for *_, at in rows)
