"""A stop ends people's mail too, whatever else is wrong; a start restores what it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.controlplane.test_identity import (
    HOST,
    HOSTS,
    admin,
    lay_key,
    look,
    mailboxes,
    shown,
    valkey,
)
from tests.support.mailu_admin import StandIn
from tests.support.mailu_mailboxes import StandInMailboxes
from tests.support.plain_http import plain_client
from tests.support.waiting import reached

__all__ = ["admin", "mailboxes", "stepped", "valkey"]
ANN, BOB, EVE = "ann@acme.example", "bob@bolt.example", "eve@bolt.example"
POLL = timedelta(milliseconds=20)
SPEC: dict[str, Any] = {
    "hosts": HOSTS,
    "domains": [{"name": "acme.example"}, {"name": "bolt.example"}],
    "mailboxes": [{"address": ANN, "aliases": ["ann@bolt.example"]}, {"address": BOB}],
}


async def ask(stepped: SteppedReconciler, verb: str, scope: str, name: str | None) -> None:
    body = {"scope": scope, "name": name, "reason": "an account was taken over"}
    answer = await stepped.api.post(f"/{verb}", json=body)
    assert answer.status_code == 200, answer.text


async def change(stepped: SteppedReconciler, verb: str, scope: str, name: str | None) -> None:
    await ask(stepped, verb, scope, name)
    await look(stepped, seconds=1)


def enabled(admin: StandIn) -> set[str]:
    """Return who can log in, apart from the control plane itself."""
    users = shown(admin, "/user")
    return {u["email"] for u in users if u["enabled"] and not u["email"].startswith("penguinmails")}


def disable(admin: StandIn, address: str) -> None:
    """Disable a mailbox in Mailu's administration."""
    with plain_client(admin.url, {"Authorization": admin.token}) as client:
        assert client.patch(f"/api/v1/user/{address}", json={"enabled": False}).is_success


async def running(stepped: SteppedReconciler, admin: StandIn, **spec: Any) -> None:
    await stepped.apply(**SPEC | spec)
    await stepped.step()
    await lay_key(stepped, admin)
    await look(stepped, hours=7)


@pytest.mark.parametrize(
    ("scope", "name", "open_"),
    [
        ("platform", None, set()),
        ("tenant", "acme", set()),
        ("domain", "bolt.example", set()),
        ("domain", "acme.example", {BOB}),
        ("mailbox", BOB, {ANN}),
        ("queue", "high", {ANN, BOB}),
    ],
)
async def test_a_stop_closes_mailboxes_and_a_start_opens_them(
    stepped: SteppedReconciler,
    mailboxes: StandInMailboxes,
    admin: StandIn,
    scope: str,
    name: str | None,
    open_: set[str],
) -> None:
    await running(stepped, admin)
    await change(stepped, "stop", scope, name)
    assert enabled(admin) == open_
    assert set(mailboxes.ended) == {ANN, BOB} - open_
    await change(stepped, "start", scope, name)
    assert enabled(admin) == {ANN, BOB}


async def test_a_start_opens_no_mailbox_that_a_person_has_disabled(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    disable(admin, BOB)
    await change(stepped, "stop", "tenant", "acme")
    assert enabled(admin) == set()
    await change(stepped, "start", "tenant", "acme")
    assert enabled(admin) == {ANN}


async def test_what_two_stops_are_of_opens_after_both(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    await change(stepped, "stop", "mailbox", BOB)
    await change(stepped, "stop", "tenant", "acme")
    await change(stepped, "start", "tenant", "acme")
    assert enabled(admin) == {ANN}
    await change(stepped, "start", "mailbox", BOB)
    assert enabled(admin) == {ANN, BOB}


async def test_a_mailbox_that_is_made_during_a_stop_is_closed(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    await change(stepped, "stop", "tenant", "acme")
    await stepped.apply(**SPEC | {"mailboxes": [*SPEC["mailboxes"], {"address": EVE}]})
    await stepped.until_quiet()
    assert enabled(admin) == set()
    await change(stepped, "start", "tenant", "acme")
    assert enabled(admin) == {ANN, BOB, EVE}


async def test_a_lost_database_opens_nothing_that_is_stopped(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    await change(stepped, "stop", "tenant", "acme")
    with plain_client(admin.url, {"Authorization": admin.token}) as client:
        assert client.delete(f"/api/v1/user/{BOB}").is_success
    await look(stepped, hours=7)
    assert {ANN, BOB} <= {each["email"] for each in shown(admin, "/user")}
    assert enabled(admin) == set()
    await change(stepped, "start", "tenant", "acme")
    assert enabled(admin) == {ANN, BOB}


async def test_a_stop_waits_for_no_playbook_and_for_no_document(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    stepped.configurator.dead.add("mx1")
    stepped.configurator.playbooks = "other playbooks"
    await look(stepped)
    assert (await stepped.condition("HostsConfigured", HOST))[0] == "False"
    await change(stepped, "stop", "tenant", "acme")
    assert enabled(admin) == set()


async def open_to(admin: StandIn) -> set[str]:
    return await asyncio.to_thread(enabled, admin)


async def during_a_run(
    stepped: SteppedReconciler, action: Callable[[], Awaitable[object]]
) -> list[tuple[str, str | None, str | None]]:
    """Run an action while a pass waits for its playbooks; return the operations of the pass."""
    before = len(await stepped.operations())
    stepped.settings = stepped.settings.model_copy(update={"stop_poll": POLL})
    stepped.configurator.playbooks = "other playbooks"
    stepped.clock.advance(minutes=10)
    stepped.meanwhile("configuring mx1", action)
    assert await stepped.step()
    return (await stepped.operations())[before:]


async def test_a_stop_and_a_start_wait_for_no_operation_of_the_tenant(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)

    async def stop_and_start() -> None:
        await ask(stepped, "stop", "mailbox", BOB)
        await reached(partial(open_to, admin), {ANN}.__eq__)
        await ask(stepped, "stop", "tenant", "acme")
        await reached(partial(open_to, admin), set().__eq__)
        await ask(stepped, "start", "tenant", "acme")
        await reached(partial(open_to, admin), {ANN}.__eq__)

    done = await during_a_run(stepped, stop_and_start)
    assert [kind for kind, _, _ in done][:5] == ["configure", "stop", "stop", "stop", "identify"]
    assert {outcome for _, outcome, _ in done} == {"succeeded"}
    assert enabled(admin) == {ANN}
    await change(stepped, "start", "mailbox", BOB)
    assert enabled(admin) == {ANN, BOB}


async def test_a_stop_during_an_operation_is_tried_again_when_the_host_is_reached(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    mailboxes.dead = True

    async def stop() -> None:
        calls = len(mailboxes.calls)
        await ask(stepped, "stop", "tenant", "acme")
        await reached(partial(asyncio.to_thread, lambda: len(mailboxes.calls) > calls + 1))
        mailboxes.dead = False
        await reached(partial(open_to, admin), set().__eq__)

    await during_a_run(stepped, stop)
    assert enabled(admin) == set()


async def test_a_stop_is_done_when_the_tenant_is_paused_during_an_operation(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)

    async def pause_and_stop() -> None:
        paused = await stepped.api.post("/tenants/acme/pause", json={"reason": "a migration"})
        assert paused.is_success
        await ask(stepped, "stop", "tenant", "acme")
        await reached(partial(open_to, admin), set().__eq__)

    await during_a_run(stepped, pause_and_stop)


async def test_a_paused_tenant_is_stopped_too(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    await stepped.until_quiet()
    paused = await stepped.api.post("/tenants/acme/pause", json={"reason": "a migration"})
    assert paused.is_success
    await change(stepped, "stop", "tenant", "acme")
    assert enabled(admin) == set()
    await change(stepped, "start", "tenant", "acme")
    assert enabled(admin) == {ANN, BOB}


async def test_a_host_that_is_not_reached_is_stopped_as_soon_as_it_is(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    mailboxes.dead = True
    await change(stepped, "stop", "tenant", "acme")
    assert enabled(admin) == {ANN, BOB}
    mailboxes.dead = False
    await look(stepped, minutes=1)
    assert enabled(admin) == set()


async def test_a_stop_that_was_killed_is_undone_by_the_start(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    await change(stepped, "stop", "mailbox", BOB)
    async with stepped.database.begin(CONTROLLER) as connection:
        # As if the process had ended before it stored that the stop is done.
        await connection.execute(text("update oltp.identities set stopped = '{}'"))
    await look(stepped)
    assert enabled(admin) == {ANN}
    await change(stepped, "start", "mailbox", BOB)
    assert enabled(admin) == {ANN, BOB}


async def test_a_mailbox_that_is_given_up_is_stopped_as_long_as_it_is_there(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await running(stepped, admin)
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text("delete from oltp.held_mail"))
    await stepped.apply(**SPEC | {"mailboxes": SPEC["mailboxes"][:1]})
    await look(stepped)
    assert (await stepped.condition("Stalled"))[0] == "True"
    await change(stepped, "stop", "tenant", "acme")
    assert enabled(admin) == set()
