"""A host that had no Mailu gets it: mail is held until its mailboxes and their mail are there."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.ansible.faults import MAIL_NOT_MOVED, MAILU_SILENT
from controlplane.faults import DESTROYS_MAIL, HOST_MAIL_STAYS
from tests.integration.controlplane.conftest import document
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.controlplane.test_identity import (
    BOXES,
    HOST,
    HOSTS,
    admin,
    look,
    mailboxes,
    shown,
    valkey,
)
from tests.support.faults import assert_shows
from tests.support.mailu_admin import StandIn
from tests.support.mailu_mailboxes import StandInMailboxes
from tests.support.points import killed

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


OTHER_HOST: list[dict[str, Any]] = [{**HOSTS[0], "name": "mx2"}]


async def test_host_that_gets_mailu_goes_only_with_consent_to_lose_its_mail(
    without: SteppedReconciler, mailboxes: StandInMailboxes
) -> None:
    await without.apply(hosts=HOSTS, mailboxes=BOXES)
    without.configurator.fail_next("mx1", MAILU_SILENT(reason="admin does not answer"))
    await without.step()
    assert mailboxes.calls == []
    refused = await without.apply(hosts=OTHER_HOST, mailboxes=BOXES)
    assert_shows(
        refused.json(), DESTROYS_MAIL, mailboxes=1, megabytes=0, names="ann@acme.example on mx1"
    )


@pytest.mark.parametrize("is_killed", [False, True], ids=["stuck", "killed"])
async def test_host_that_goes_while_it_gets_mailu_holds_its_mail_until_it_has_gone(
    without: SteppedReconciler, mailboxes: StandInMailboxes, is_killed: bool
) -> None:
    mailboxes.stuck = STUCK
    await without.apply(hosts=HOSTS, mailboxes=BOXES)
    if is_killed:
        without.points.kill("configured mx1")
        with killed():
            await without.step()
        await without.end_leases()
    else:
        await without.step()
    spec = document(hosts=OTHER_HOST, mailboxes=BOXES)
    agreed = {"destroy_mail": "true"}
    assert (await without.api.put("/tenants/acme", json=spec, params=agreed)).is_success
    without.spools.of_people["mx1"] = {"9aB"}
    for _ in range(3):
        await look(without)
    assert len(without.cloud.account.servers) == 2
    assert is_held(without)
    assert await without.condition("HostsConfigured", HOST) == ("True", "Configured")
    assert (await without.condition("Stalled"))[0] == "False"
    without.spools.of_people.clear()
    await without.until_quiet()
    assert mailboxes.moved == []
    [label] = without.cloud.account.servers
    assert "mx2" in label
