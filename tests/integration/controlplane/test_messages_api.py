"""Messages through the API: queued for their tenant, hidden from every other."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import httpx2
import psycopg
import pytest
from sqlalchemy import text

from blueprint import faults as document_faults
from controlplane import faults
from controlplane.database import OPERATOR
from controlplane.identity.keys import Scope
from sender.faults import (
    FOREIGN_DOMAIN,
    IDEMPOTENCY_MISMATCH,
    MAILS_PER_MONTH,
    MAILS_QUEUED,
    MESSAGE_NOT_FOUND,
    NO_BODY,
    PICTURE_WITHOUT_HTML,
    POSTAL_ADDRESS_MISSING,
    SAME_PICTURE,
    TOO_LARGE,
    UNDECLARED_MAILBOX,
)
from tests.integration.controlplane.conftest import document
from tests.support.faults import assert_shows

MESSAGE = {"from": "sales@acme.example", "to": "bob@rcpt.example", "subject": "Hi", "text": "Hello"}

WITHOUT_ADDRESS = text("update oltp.tenants set document = document #- '{spec,sending}'")


@pytest.fixture
async def acme(operator: httpx2.AsyncClient) -> dict[str, Any]:
    return dict((await operator.post("/tenants", json=document())).json())


async def test_message_sent_by_an_operator_is_shown_to_its_tenant(
    acme, operator, client_of
) -> None:
    answer = await operator.post("/messages", params={"tenant": "acme"}, json=MESSAGE)
    assert answer.status_code == 202
    id_ = answer.json()["id"]
    client = await client_of(acme["id"])
    listed = (await client.get("/messages")).json()["items"]
    assert [item["id"] for item in listed] == [id_]
    explained = (await client.get(f"/messages/{id_}")).json()
    assert explained["message"]["state"] == "queued"
    assert explained["message"]["to"] == "bob@rcpt.example"


BUCKETS = """
    select record.priority, bucket.urgent, bucket.name
    from queue.records as record join queue.buckets as bucket on bucket.id = record.bucket_id
    where record.id = %s"""


async def test_priority_up_to_50_comes_before_all_tenants_for_operators_alone(
    acme, operator, client_of, upgraded
) -> None:
    """In one request, too; and none of operators' mail waits for the tenant's hours."""
    messages = [MESSAGE | {"priority": priority} for priority in (51, 50, 1000, 1)]
    found: list[list[tuple[Any, ...] | None]] = []
    for client in (operator, await client_of(acme["id"])):
        answer = await client.post(
            "/messages/batch",
            params={"tenant": "acme"},
            json={"messages": messages},
            headers={"Idempotency-Key": f"of {len(found)}"},
        )
        with psycopg.connect(upgraded) as admin:
            rows = (admin.execute(BUCKETS, [item["id"]]) for item in answer.json()["items"])
            found.append([row.fetchone() for row in rows])
    name = "sales@acme.example @rcpt.example"
    assert found == [
        [(priority, priority <= 50, f"{name} operator") for priority in (51, 50, 1000, 1)],
        [(priority, False, name) for priority in (51, 50, 1000, 1)],
    ]


async def test_mistakes_of_operators_are_found_whatever_is_urgent(acme, operator) -> None:
    late = {"run_at": "9999-12-31T23:59:59Z"}
    first, second = MESSAGE | {"priority": 1}, MESSAGE | late
    for wrong in (second, second | {"priority": 1}):
        body = {"messages": [first, wrong]}
        answer = await operator.post("/messages/batch", params={"tenant": "acme"}, json=body)
        assert [one["path"] for one in answer.json()["violations"]] == ["messages[1].run_at"]


async def test_message_of_another_tenant_is_not_found(acme, operator, client_of) -> None:
    bob = (await operator.post("/tenants", json=document("bob"))).json()
    id_ = (await operator.post("/messages", params={"tenant": "acme"}, json=MESSAGE)).json()["id"]
    other = await client_of(bob["id"])
    answer = await other.get(f"/messages/{id_}")
    assert_shows(answer.json(), MESSAGE_NOT_FOUND, id=id_)
    assert (await other.get("/messages")).json()["items"] == []
    sent = await other.post("/messages", params={"tenant": "acme"}, json=MESSAGE)
    assert_shows(sent.json(), faults.NOT_FOUND)


async def test_message_with_the_same_idempotency_key_is_queued_once(acme, client_of) -> None:
    client = await client_of(acme["id"])
    headers = {"Idempotency-Key": "one"}
    first = await client.post("/messages", json=MESSAGE, headers=headers)
    second = await client.post("/messages", json=MESSAGE, headers=headers)
    assert first.json() == second.json()
    other = await client.post("/messages", json={**MESSAGE, "subject": "Ho"}, headers=headers)
    assert_shows(other.json(), IDEMPOTENCY_MISMATCH)


async def test_message_with_several_mistakes_lists_them(acme, client_of) -> None:
    client = await client_of(acme["id"])
    answer = await client.post("/messages", json={**MESSAGE, "to": "no-address", "sbuject": "x"})
    problem = answer.json()
    assert_shows(problem, document_faults.INVALID, mistakes=...)
    remedies = {error["path"]: error["remedy"] for error in problem["violations"]}
    assert remedies.keys() == {"to", "sbuject"}
    assert remedies["to"] == "write the whole address, such as bob@example.com"


PICTURE = {"content": "AAAA", "content_id": "logo@acme.example"}
HALF = {"content": "A" * 8_000_000}


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"text": None}, NO_BODY, ""),
        ({"attachments": [PICTURE]}, PICTURE_WITHOUT_HTML, "attachments[0].content_id"),
        ({"html": "x", "attachments": [PICTURE] * 2}, SAME_PICTURE, "attachments[1].content_id"),
        ({"attachments": [HALF] * 2}, TOO_LARGE, ""),
    ],
)
async def test_message_whose_fields_do_not_go_together_is_refused(
    acme, client_of, changes, code, path
) -> None:
    client = await client_of(acme["id"])
    answer = await client.post("/messages", json=MESSAGE | changes)
    [violation] = answer.json()["violations"]
    assert_shows(violation, code, **({"size": ...} if code is TOO_LARGE else {}))
    assert violation["path"] == path


@pytest.mark.parametrize(
    "sender",
    [
        "sales@acme.example",
        "Sales+autumn@ACME.example",
        "hello+x@acme.example",
        "any.thing@news.acme.example",
    ],
)
async def test_message_from_a_mailbox_alias_or_catch_all_is_queued(
    operator, client_of, sender
) -> None:
    domains = [
        {"name": "acme.example"},
        {"name": "news.acme.example", "catch_all": "sales@acme.example"},
    ]
    boxes = [{"address": "sales@acme.example", "aliases": ["Hello@acme.example"]}]
    created = await operator.post("/tenants", json=document(domains=domains, mailboxes=boxes))
    client = await client_of(created.json()["id"])
    answer = await client.post("/messages", json=MESSAGE | {"from": sender})
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    ("sender", "code", "values"),
    [
        (
            "sales@globex.example",
            FOREIGN_DOMAIN,
            {"domain": "globex.example", "domains": "acme.example"},
        ),
        ("sales@sub.acme.example", FOREIGN_DOMAIN, {"domain": "sub.acme.example"}),
        ("offers@acme.example", UNDECLARED_MAILBOX, {}),
        ("sales-x@acme.example", UNDECLARED_MAILBOX, {"address": "sales-x@acme.example"}),
        ("+sales@acme.example", UNDECLARED_MAILBOX, {"address": "+sales@acme.example"}),
    ],
)
async def test_message_that_may_never_be_sent_is_refused_at_once(
    acme, operator, client_of, sender, code, values
) -> None:
    for client in (await client_of(acme["id"]), operator):
        answer = await client.post(
            "/messages", params={"tenant": "acme"}, json=MESSAGE | {"from": sender}
        )
        assert answer.status_code == 422
        [violation] = answer.json()["violations"]
        assert_shows(violation, code, **values)
        assert violation["path"] == "from"
    listed = await operator.get("/messages", params={"tenant": "acme"})
    assert listed.json()["items"] == []


async def test_message_of_an_operator_without_a_tenant_is_refused(acme, operator) -> None:
    answer = await operator.post("/messages", json=MESSAGE)
    assert_shows(answer.json(), faults.TENANT_MISSING)


async def test_message_with_a_key_without_the_scope_is_refused(acme, client_of) -> None:
    client = await client_of(acme["id"], scopes=(Scope.MESSAGES_READ,))
    answer = await client.post("/messages", json=MESSAGE)
    assert_shows(answer.json(), faults.SCOPE_MISSING, scope="messages:send")


async def test_message_transactional_needs_a_key_with_the_right(acme, client_of) -> None:
    receipt = MESSAGE | {"transactional": True}
    with_right = await client_of(acme["id"])
    assert (await with_right.post("/messages", json=receipt)).status_code == 202
    without = await client_of(acme["id"], scopes=(Scope.MESSAGES_SEND,))
    refused = await without.post("/messages", json=receipt)
    assert_shows(refused.json(), faults.SCOPE_MISSING, scope="messages:transactional")
    assert (await without.post("/messages", json=MESSAGE)).status_code == 202


async def test_message_of_a_tenant_without_a_postal_address_is_refused(
    acme, client_of, pools
) -> None:
    client = await client_of(acme["id"])
    async with pools.begin(OPERATOR) as connection:  # as before the rule
        await connection.execute(WITHOUT_ADDRESS)
    refused = await client.post("/messages", json=MESSAGE)
    assert refused.status_code == 409
    assert_shows(refused.json(), POSTAL_ADDRESS_MISSING)
    sent = await client.post("/messages", json=MESSAGE | {"transactional": True})
    assert sent.status_code == 202


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"text": "Hello\0"}, "text"),
        ({"subject": "Hello\u2028Bcc: all@rcpt.example"}, "subject"),
        ({"run_at": "9999-12-31T23:59:59Z"}, "run_at"),
        ({"to": "a..b@rcpt.example"}, "to"),
        ({"to": "bob@example.123"}, "to"),
        ({"reply_to": "Bob <bob@rcpt.example>"}, "reply_to"),
    ],
)
async def test_message_that_can_never_be_sent_is_refused(acme, client_of, change, path) -> None:
    client = await client_of(acme["id"])
    answer = await client.post("/messages", json=MESSAGE | change)
    problem = answer.json()
    assert_shows(problem, document_faults.INVALID, mistakes=...)
    assert [error["path"] for error in problem["violations"]] == [path]


@pytest.mark.parametrize("id_", ["nothing", "%3Cx%40acme.example%3E"])
async def test_message_of_an_unknown_id_is_not_found(acme, client_of, id_) -> None:
    client = await client_of(acme["id"])
    answer = await client.get(f"/messages/{id_}")
    assert_shows(answer.json(), MESSAGE_NOT_FOUND, id=unquote(id_).strip("<>"))


@pytest.mark.parametrize("name", ["5", "", "bob"])
async def test_message_for_another_tenant_by_a_tenants_key_is_refused(
    acme, client_of, name
) -> None:
    client = await client_of(acme["id"])
    answer = await client.post("/messages", params={"tenant": name}, json=MESSAGE)
    assert_shows(answer.json(), faults.NOT_FOUND, name=name)


async def test_message_fields_are_documented(app) -> None:
    schemas = app.openapi()
    post = schemas["paths"]["/api/v1/messages"]["post"]
    body = post["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/OutgoingMessage"}
    message = schemas["components"]["schemas"]["OutgoingMessage"]
    assert {"from", "to", "subject", "text", "html", "run_at"} <= set(message["properties"])
    assert {"message", "decisions", "stops", "meaning"} == set(
        schemas["components"]["schemas"]["Explanation"]["properties"]
    )
    assert "from" in schemas["components"]["schemas"]["MessageView"]["properties"]


async def test_message_above_the_plans_mails_a_month_is_refused_with_the_number(
    operator, client_of, upgraded
) -> None:
    acme = (await operator.post("/tenants", json=document(plan="starter"))).json()
    client = await client_of(acme["id"])
    with psycopg.connect(upgraded) as admin:
        admin.execute(
            "insert into mail.months select %s, month, 0, mails from (values "
            "(date_trunc('month', now() at time zone 'UTC'), 9996), "
            "(date_trunc('month', now() at time zone 'UTC') - interval '1 month', 10000)"
            ") as counted (month, mails)",
            [acme["id"]],
        )
    headers = {"Idempotency-Key": "one"}
    for _ in range(3):  # repeated: counted once
        assert (await client.post("/messages", json=MESSAGE, headers=headers)).status_code == 202
    query = {"tenant": "acme"}
    assert (await operator.post("/messages", json=MESSAGE, params=query)).status_code == 202
    batch = {"messages": [MESSAGE] * 3}
    refused = await client.post("/messages/batch", json=batch)
    assert_shows(refused.json(), MAILS_PER_MONTH, allowed=10_000, queued=9998, month=...)
    batch = {"messages": [MESSAGE] * 2}
    assert (await client.post("/messages/batch", json=batch)).status_code == 202
    for _ in range(2):
        refused = await client.post("/messages", json=MESSAGE)
        assert refused.status_code == 409
        assert_shows(refused.json(), MAILS_PER_MONTH, allowed=10_000, queued=10_000, month=...)
    assert (await client.post("/messages", json=MESSAGE, headers=headers)).status_code == 202
    assert len((await client.get("/messages")).json()["items"]) == 4
    changed = document(plan="enterprise")
    assert (await operator.put("/tenants/acme", json=changed)).status_code == 200
    assert (await client.post("/messages", json=MESSAGE)).status_code == 202
    with psycopg.connect(upgraded) as admin:
        admin.execute("update queue.tenants set waiting = waiting + 999_995")
    refused = await client.post("/messages", json=MESSAGE)
    assert refused.status_code == 409
    assert_shows(refused.json(), MAILS_QUEUED, waiting=1_000_000, most=1_000_000)
    assert (await client.post("/messages", json=MESSAGE, headers=headers)).status_code == 202
