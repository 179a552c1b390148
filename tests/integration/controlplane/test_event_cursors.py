"""Readers of events behind a cursor miss none, and neither they nor writers wait for a writer."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import CONTROLLER, Database
from controlplane.events.repository import emit
from controlplane.faults import INVALID_REQUEST, WRONG_CURSOR
from tests.integration.controlplane.conftest import create
from tests.support.faults import assert_shows

WRITERS = 8


async def write(connection: AsyncConnection, reason: str) -> None:
    await emit(
        connection,
        tenant_id=None,
        tenant=None,
        at=datetime.now(UTC),
        subject="platform",
        kind="test",
        reason=reason,
        message="",
    )


async def write_now(pools: Database, *reasons: str) -> None:
    for reason in reasons:
        async with pools.begin(CONTROLLER) as connection:
            await write(connection, reason)


async def read(operator: Any, cursor: str, **query: Any) -> tuple[list[str], str]:
    answer = await operator.get("/events", params={"cursor": cursor} | query)
    assert answer.is_success, answer.text
    page = answer.json()
    return [event["reason"] for event in page["items"]], page["next"]


async def test_one_of_eight_writers_that_is_stopped_delays_nothing_and_is_not_missed(
    operator, pools: Database
) -> None:
    async with AsyncExitStack() as stopped:
        open_ = await stopped.enter_async_context(pools.begin(CONTROLLER))
        await write(open_, "stopped")
        others = [str(number) for number in range(1, WRITERS)]
        await write_now(pools, *others)
        seen, cursor = await read(operator, "0")
        assert seen == others, "who reads waits for who is stopped"
        await write_now(pools, "later")
        seen, cursor = await read(operator, cursor)
        assert seen == ["later"]
    seen, cursor = await read(operator, cursor)
    assert seen == ["stopped"]
    assert (await read(operator, cursor))[0] == []


async def test_event_that_commits_between_two_pages_is_on_one_of_them_once(
    operator, pools: Database
) -> None:
    await write_now(pools, "1")
    async with pools.begin(CONTROLLER) as late:
        await write(late, "late")
        await write_now(pools, "2", "3")
        seen, cursor = await read(operator, "0", limit=2)
    await write_now(pools, "4")
    reasons = [*seen]
    while seen:
        seen, cursor = await read(operator, cursor, limit=2)
        reasons += seen
    reasons += (await read(operator, cursor))[0]
    assert sorted(reasons) == ["1", "2", "3", "4", "late"]


async def test_latest_events_are_followed_by_those_that_commit_after_them(
    operator, pools: Database
) -> None:
    async with pools.begin(CONTROLLER) as late:
        await write(late, "late")
        await write_now(pools, "1")
        answer = await operator.get("/events", params={"latest": True})
    assert [event["reason"] for event in answer.json()["items"]] == ["1"]
    assert (await read(operator, answer.json()["next"]))[0] == ["late"]


async def test_number_as_a_cursor_goes_on_after_that_event(operator, pools: Database) -> None:
    await write_now(pools, "1", "2")
    answer = await operator.get("/events", params={"limit": 1})
    first = answer.json()["items"][0]["id"]
    assert (await read(operator, str(first)))[0] == ["2"]


async def test_events_of_a_restored_server_are_read_once(operator, pools: Database) -> None:
    """Their transactions had larger numbers than this server has given out."""
    async with pools.begin(CONTROLLER) as connection:
        await connection.execute(
            text(
                "insert into oltp.events (at, subject, kind, reason, message, xid)"
                " values (now(), 'platform', 'test', 'restored', '', '9000000000000000')"
            )
        )
    await write_now(pools, "1")
    seen, cursor = await read(operator, "0")
    assert seen == ["restored", "1"]
    assert (await read(operator, cursor))[0] == []


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "-1",
        "1/2/3",
        "5:3:/5:5:/0",
        "5:9:9//0",
        "5:9:7,6//0",
        "0:0://0",
        "5:9:5:6//0",
        "5:9://",
    ],
)
async def test_cursor_that_is_none_is_refused(operator, cursor: str) -> None:
    answer = await operator.get("/events", params={"cursor": cursor})
    assert_shows(answer.json(), INVALID_REQUEST)
    [violation] = answer.json()["violations"]
    assert_shows(violation, WRONG_CURSOR)
    assert violation["path"] == "query.cursor"


async def test_tenants_key_goes_on_behind_its_own_cursor(operator, client_of) -> None:
    acme = await create(operator)
    await create(operator, "bob")
    own = await client_of(acme["id"])
    seen, cursor = await read(own, "0")
    assert seen == ["Created"]
    assert (await read(own, cursor))[0] == []
