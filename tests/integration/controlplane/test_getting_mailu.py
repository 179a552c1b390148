"""A host that had no Mailu gets it: mail is held until its mailboxes and their mail are there."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.ansible.faults import MAIL_NOT_MOVED
from controlplane.faults import HOST_MAIL_STAYS
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.controlplane.test_identity import (
    BOXES,
    HOST,
    HOSTS,
    admin,
    mailboxes,
    shown,
    valkey,
)
from tests.support.faults import assert_shows
from tests.support.mailu_admin import StandIn
from tests.support.mailu_mailboxes import StandInMailboxes

__all__ = ["admin", "mailboxes", "stepped", "valkey"]
WITHOUT: list[dict[str, Any]] = [{**HOSTS[0], "mail": "none"}]
STUCK = MAIL_NOT_MOVED(reason="of 812 mails 811 were moved")


@pytest.fixture
async def without(stepped: SteppedReconciler, mailboxes: StandInMailboxes) -> SteppedReconciler:
    """A tenant whose host was configured without Mailu."""
    del mailboxes
    await stepped.apply(hosts=WITHOUT, mailboxes=BOXES)
    await stepped.until_quiet()
    assert stepped.configurator.given["mx1"][0]["mailu"] is None
    return stepped


def is_held(stepped: SteppedReconciler) -> bool:
    """Return whether the host was last configured to refuse mail for now."""
    return bool(stepped.configurator.given["mx1"][0]["mailu"]["held"])


async def test_mail_is_held_until_it_was_moved(
    without: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> None:
    await without.apply(hosts=HOSTS, mailboxes=BOXES)
    await without.step()
    assert without.configurator.runs == ["mx1", "mx1"]
    assert is_held(without)
    assert shown(admin, "/user/ann@acme.example")["comment"] == "pm:acme"
    assert mailboxes.moved == [["ann@acme.example"]]
    assert await without.condition("IdentityReady", HOST) == ("Unknown", "NotReconciled")
    await without.until_quiet()
    assert without.configurator.runs == ["mx1", "mx1", "mx1"]
    assert not is_held(without)
    assert await without.condition("IdentityReady", HOST) == ("True", "Reconciled")
    assert mailboxes.moved == [["ann@acme.example"]]


async def test_mail_is_held_while_it_cannot_be_moved(
    without: SteppedReconciler, mailboxes: StandInMailboxes
) -> None:
    mailboxes.stuck = STUCK
    await without.apply(hosts=HOSTS, mailboxes=BOXES)
    for _ in range(2):
        await without.step()
        without.clock.advance(minutes=11)
    assert is_held(without)
    assert await without.condition("IdentityReady", HOST) == ("Unknown", MAIL_NOT_MOVED.reason)
    mailboxes.stuck = None
    await without.step()
    await without.until_quiet()
    assert not is_held(without)
    assert mailboxes.moved == [["ann@acme.example"]]


async def test_mail_is_held_while_mailu_lacks_a_mailbox(
    without: SteppedReconciler, mailboxes: StandInMailboxes
) -> None:
    mailboxes.dead = True
    await without.apply(hosts=HOSTS, mailboxes=BOXES)
    await without.step()
    assert (is_held(without), mailboxes.moved) == (True, [])
    mailboxes.dead = False
    without.clock.advance(minutes=11)
    await without.step()
    await without.until_quiet()
    assert (is_held(without), mailboxes.moved) == (False, [["ann@acme.example"]])


async def test_mailu_is_not_taken_back_from_the_moment_on_when_a_host_gets_it(
    without: SteppedReconciler, mailboxes: StandInMailboxes
) -> None:
    mailboxes.stuck = STUCK
    assert (await without.apply(hosts=HOSTS, mailboxes=BOXES)).is_success
    assert (await without.apply(hosts=WITHOUT, mailboxes=BOXES)).is_success  # nothing was done yet
    await without.apply(hosts=HOSTS, mailboxes=BOXES)
    await without.step()
    refused = (await without.apply(hosts=WITHOUT, mailboxes=BOXES)).json()
    assert_shows(
        refused["violations"][0], HOST_MAIL_STAYS, host="mx1", before="mailu", wanted="none"
    )
