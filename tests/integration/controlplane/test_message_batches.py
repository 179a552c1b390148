"""Batches of messages: all are queued or none, and a repeated request has the same answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from blueprint import faults as document_faults
from controlplane import faults
from controlplane.database import OPERATOR, Database
from controlplane.identity.keys import Scope
from kit.database import Role
from sender.faults import (
    EXPIRES_EARLY,
    EXPIRES_LATE,
    FOREIGN_DOMAIN,
    IDEMPOTENCY_MISMATCH,
    RUNS_LATE,
)
from tests.integration.controlplane.conftest import create
from tests.integration.controlplane.test_messages_api import MESSAGE, WITHOUT_ADDRESS
from tests.support.faults import assert_shows

DAY = timedelta(days=1)
RECORDS = text("select count(*) from queue.records")


@pytest.fixture
async def acme(operator: httpx2.AsyncClient) -> dict[str, Any]:
    return await create(operator)


async def queued(pools: Database) -> int:
    async with pools.begin(OPERATOR) as connection:
        return int((await connection.execute(RECORDS)).scalar_one())


def batch(*subjects: str, **changes: object) -> dict[str, Any]:
    return {"messages": [MESSAGE | {"subject": subject} | changes for subject in subjects]}


def after(delay: timedelta, zone: tzinfo = UTC) -> str:
    return (datetime.now(zone) + delay).isoformat()


async def test_batch_is_queued_in_order_and_once(acme, client_of, pools) -> None:
    client = await client_of(acme["id"])

    async def sent(body: dict[str, Any], key: str = "one", path: str = "/messages/batch") -> Any:
        return await client.post(path, json=body, headers={"Idempotency-Key": key})

    names = [f"Mail {number}" for number in range(1000)]
    first = await sent(batch(*names))
    assert first.status_code == 202, first.text
    listed = (await client.get("/messages", params={"limit": 3})).json()["items"]
    assert [item["subject"] for item in listed] == ["Mail 999", "Mail 998", "Mail 997"]
    assert [item["id"] for item in listed] == [one["id"] for one in first.json()["items"][:-4:-1]]
    assert (await sent(batch(*names))).json() == first.json()
    for changed in (batch(*names[:-1]), batch(*names[::-1]), batch(*names[:1])):
        assert_shows((await sent(changed)).json(), IDEMPOTENCY_MISMATCH)
    single = await sent(MESSAGE | {"subject": names[0]}, path="/messages")
    assert_shows(single.json(), IDEMPOTENCY_MISMATCH)
    assert await queued(pools) == 1000
    assert (await sent(batch(), key="three")).json() == {"items": []}
    west, east = (
        timezone(hours * timedelta(hours=1)) for hours in (-20, 20)
    )  # unknown to PostgreSQL
    times = {"run_at": after(DAY, west), "expires_at": after(2 * DAY, east)}
    apart = await sent(batch("one", **times), key="four")
    assert apart.status_code == 202, apart.text
    too_many = await sent(batch(*names, "one more"), key="three")
    assert_shows(too_many.json(), document_faults.INVALID, mistakes=...)


async def test_batch_with_mistakes_is_refused_as_a_whole_with_each_of_them(
    acme, client_of, pools
) -> None:
    client = await client_of(acme["id"])
    body = batch("one", "two", "three")
    body["messages"][1]["to"] = "no-address"
    body["messages"][2]["text"] = None
    refused = await client.post("/messages/batch", json=body)
    assert refused.status_code == 422
    assert [v["path"] for v in refused.json()["violations"]] == ["messages[1].to", "messages[2]"]
    body = batch("one", "two")
    body["messages"][1]["from"] = "sales@globex.example"
    (violation,) = (await client.post("/messages/batch", json=body)).json()["violations"]
    assert_shows(violation, FOREIGN_DOMAIN, domain="globex.example")
    assert violation["path"] == "messages[1].from"
    without = await client_of(acme["id"], scopes=(Scope.MESSAGES_SEND,))
    body = batch("one") | {"messages": [MESSAGE, MESSAGE | {"transactional": True}]}
    answer = await without.post("/messages/batch", json=body)
    assert_shows(answer.json(), faults.SCOPE_MISSING, scope="messages:transactional")
    assert await queued(pools) == 0


async def test_refusal_of_a_batch_says_all_that_is_wrong_with_each_message(
    acme, client_of, operator, pools
) -> None:
    """Nothing is left to be found out by another request."""
    client = await client_of(acme["id"])
    old = after(-DAY)
    body = batch(*map(str, range(7)))
    body["messages"][0] |= {"run_at": after(31 * DAY)}
    body["messages"][1] |= {"to": "no-address"}
    body["messages"][2] |= {"from": "sales@globex.example", "expires_at": old}
    body["messages"][3] |= {"text": None}
    body["messages"][5] |= {"from": "unknown@acme.example"}
    body["messages"][6] |= {"expires_at": old}
    refused = (await client.post("/messages/batch", json=body | {"other": 1})).json()
    assert [(v["path"], v["code"]) for v in refused["violations"]] == [
        ("other", "document.unknown_key"),
        ("messages[0].run_at", "message.runs_late"),
        ("messages[1].to", "document.invalid_value"),
        ("messages[2].from", "message.foreign_domain"),
        ("messages[2].expires_at", "message.expires_early"),
        ("messages[3]", "message.no_body"),
        ("messages[5].from", "message.undeclared_mailbox"),
        ("messages[6].expires_at", "message.expires_early"),
    ]
    async with pools.begin(OPERATOR) as connection:
        await connection.execute(WITHOUT_ADDRESS)
    body = batch("one", "two")
    body["messages"][1] |= {"expires_at": old}
    refused = (await client.post("/messages/batch", json=body)).json()
    assert [(v["path"], v["code"]) for v in refused["violations"]] == [
        ("messages[0]", "message.no_postal_address"),
        ("messages[1].expires_at", "message.expires_early"),
    ]
    assert await queued(pools) == 0


async def test_times_of_urgent_mail_are_refused_beside_those_of_other_mail(
    acme, operator, pools
) -> None:
    """The queue takes them by two statements."""
    body = batch("one", "two", expires_at=after(-DAY))
    body["messages"][1] |= {"priority": 1}
    answer = await operator.post("/messages/batch", params={"tenant": "acme"}, json=body)
    assert [v["path"] for v in answer.json()["violations"]] == [
        "messages[0].expires_at",
        "messages[1].expires_at",
    ]


async def test_message_expires_when_its_caller_says(acme, client_of, pools) -> None:
    client = await client_of(acme["id"])
    later, soon = after(20 * DAY), after(DAY)
    body = {
        "messages": [
            MESSAGE,
            MESSAGE | {"expires_at": soon},
            MESSAGE | {"expires_at": after(49 * DAY), "run_at": later},
            MESSAGE | {"expires_at": after(-DAY)},
            MESSAGE | {"expires_at": soon, "run_at": later},
            MESSAGE | {"expires_at": after(31 * DAY)},
            MESSAGE | {"run_at": after(31 * DAY)},
        ]
    }
    refused = await client.post("/messages/batch", json=body)
    assert refused.status_code == 422, refused.text
    found = {one["path"]: one for one in refused.json()["violations"]}
    late = [f"messages[{index}].expires_at" for index in (3, 4, 5)]
    assert list(found) == [*late, "messages[6].run_at"]
    assert_shows(found["messages[3].expires_at"], EXPIRES_EARLY)
    assert_shows(found["messages[4].expires_at"], EXPIRES_EARLY)
    assert_shows(found["messages[5].expires_at"], EXPIRES_LATE)
    assert_shows(found["messages[6].run_at"], RUNS_LATE)
    assert await queued(pools) == 0
    sent = await client.post("/messages/batch", json={"messages": body["messages"][:3]})
    assert sent.status_code == 202, sent.text
    shown = (await client.get("/messages")).json()["items"]
    lives = [
        datetime.fromisoformat(item["expires_at"]) - datetime.fromisoformat(item["run_at"])
        for item in reversed(shown)
    ]
    assert [round(life / DAY) for life in lives] == [30, 1, 29]


async def test_message_repeated_after_it_expired_has_the_same_answer(
    acme, client_of, pools
) -> None:
    client = await client_of(acme["id"])
    headers = {"Idempotency-Key": "one"}
    body = MESSAGE | {"expires_at": after(-DAY)}
    assert (await client.post("/messages", json=body, headers=headers)).status_code == 422
    first = await client.post("/messages", json=MESSAGE, headers=headers)
    assert first.status_code == 202
    async with pools.begin(
        Role.SENDER
    ) as connection:  # the body of a request whose time has passed
        await connection.execute(text("update queue.keys set digest = null"))
    assert (await client.post("/messages", json=body, headers=headers)).json() == first.json()
