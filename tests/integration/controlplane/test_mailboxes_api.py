"""Tokens and passwords by the API: the reconciler answers, and nothing of it is kept in clear."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from controlplane import faults
from controlplane.database import CONTROLLER
from controlplane.mailboxes import service
from controlplane.mailu import faults as mailu
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.controlplane.test_identity import (
    HOSTS,
    SPEC,
    admin,
    mailboxes,
    shown,
    valkey,
)
from tests.support.faults import assert_shows
from tests.support.mailu_admin import StandIn
from tests.support.mailu_mailboxes import StandInMailboxes

__all__ = ["admin", "mailboxes", "stepped", "valkey"]
BOX = "/tenants/acme/mailboxes/ann@acme.example"


async def asked(stepped: SteppedReconciler) -> bool:
    """Whether a question waits."""
    async with stepped.database.begin(CONTROLLER) as connection:
        query = "select count(*) from oltp.mailbox_questions where not taken"
        return bool((await connection.execute(text(query))).scalar_one())


async def answered(
    stepped: SteppedReconciler, method: str, path: str, body: object = None
) -> httpx2.Response:
    """Send a request while a reconciler runs."""
    sending = asyncio.create_task(stepped.api.request(method, f"{BOX}{path}", json=body))
    while not sending.done() and not await asked(stepped):
        await asyncio.wait({sending}, timeout=0.05)
    await stepped.step()
    return await sending


@pytest.fixture
async def running(stepped: SteppedReconciler, mailboxes: StandInMailboxes) -> SteppedReconciler:
    await stepped.apply(**SPEC)
    await stepped.step()
    mailboxes.calls.clear()
    return stepped


async def rows(stepped: SteppedReconciler) -> int:
    async with stepped.database.begin(CONTROLLER) as connection:
        query = "select count(*) from oltp.mailbox_questions"
        return int((await connection.execute(text(query))).scalar_one())


async def test_a_token_is_made_listed_and_revoked(
    running: SteppedReconciler, admin: StandIn
) -> None:
    made = await answered(running, "POST", "/tokens", {"name": "Phone"})
    assert made.status_code == 201
    assert len(made.json()["token"]) == 32
    [listed] = (await answered(running, "GET", "/tokens")).json()["items"]
    assert (listed["name"], listed["networks"]) == ("Phone", [])
    assert "token" not in listed
    again = await answered(running, "POST", "/tokens", {"name": "Phone"})
    assert_shows(again.json(), mailu.TOKEN_EXISTS, name="Phone")
    assert (await answered(running, "DELETE", "/tokens/Phone")).status_code == 204
    assert shown(admin, "/tokenuser/ann@acme.example") == []
    gone = await answered(running, "DELETE", "/tokens/Phone")
    assert_shows(gone.json(), mailu.NO_TOKEN, name="Phone")
    assert await rows(running) == 0


async def test_a_new_password_is_shown_once_and_is_in_no_table(
    running: SteppedReconciler, admin: StandIn
) -> None:
    before = shown(admin, "/user/ann@acme.example")["password"]
    answer = await answered(running, "POST", "/password")
    password = answer.json()["password"]
    assert shown(admin, "/user/ann@acme.example")["password"] != before
    assert await rows(running) == 0
    log = (await running.api.get("/tenants/acme/operations")).text
    events = (await running.api.get("/events")).text
    assert password not in log + events
    assert "PasswordSet" in events


async def test_an_answer_is_sealed_while_it_waits(
    running: SteppedReconciler, admin: StandIn
) -> None:
    sending = asyncio.create_task(running.api.post(f"{BOX}/tokens", json={"name": "Phone"}))
    seen: list[Any] = []

    async def look() -> None:
        async with running.database.begin(CONTROLLER) as connection:
            query = text("select row_to_json(q)::text from oltp.mailbox_questions q")
            seen.extend((await connection.execute(query)).scalars())

    while not await asked(running):
        await asyncio.wait({sending}, timeout=0.05)
    await look()
    await running.step()
    await look()
    token = (await sending).json()["token"]
    assert seen
    assert token not in "".join(seen)


async def test_only_the_host_of_the_mailbox_is_asked_and_nothing_is_reconciled_for_it(
    running: SteppedReconciler, mailboxes: StandInMailboxes
) -> None:
    await answered(running, "GET", "/tokens")
    assert [host for host, _ in mailboxes.calls] == ["mx1"]
    assert (await running.operations())[-1] == ("answer", "succeeded", None)


async def test_a_host_that_is_not_reached_is_said(
    running: SteppedReconciler, mailboxes: StandInMailboxes
) -> None:
    mailboxes.dead = True
    answer = await answered(running, "POST", "/tokens", {"name": "Phone"})
    assert_shows(answer.json(), faults.MAILBOX_UNANSWERED, address="ann@acme.example", reason=...)


async def test_without_a_reconciler_nothing_is_done(
    running: SteppedReconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE_SECONDS", 0.1)
    answer = await running.api.post(f"{BOX}/tokens", json={"name": "Phone"})
    assert_shows(answer.json(), faults.MAILBOX_BUSY)
    assert await rows(running) == 0


async def test_settings_need_no_host(running: SteppedReconciler) -> None:
    found = (await running.api.get(f"{BOX}/settings")).json()
    assert (found["user"], found["imap_port"], found["submission_port"]) == (
        "ann@acme.example",
        993,
        465,
    )
    assert found["imap_host"] == "mx1.acme.example"


async def test_a_host_without_mailu_is_refused(stepped: SteppedReconciler) -> None:
    plain = [{**HOSTS[0], "mail": "none"}]
    await stepped.apply(hosts=plain, mailboxes=SPEC["mailboxes"])
    await stepped.step()
    answer = await stepped.api.get(f"{BOX}/settings")
    assert_shows(answer.json(), faults.MAILBOX_ELSEWHERE)
