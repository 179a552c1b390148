"""A host loses Mailu only with as many mails as a person has agreed to destroy."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from controlplane import faults
from controlplane.ansible.faults import MORE_MAIL
from tests.integration.controlplane.conftest import document
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.controlplane.test_destroying_mail import ANN, running
from tests.integration.controlplane.test_identity import (
    BOXES,
    HOST,
    HOSTS,
    SPEC,
    admin,
    mailboxes,
    valkey,
)
from tests.support.faults import assert_shows
from tests.support.mailu_admin import StandIn
from tests.support.mailu_mailboxes import StandInMailboxes

__all__ = ["admin", "mailboxes", "stepped", "valkey"]
WITHOUT: dict[str, Any] = {"hosts": [{**HOSTS[0], "mail": "none"}], "mailboxes": BOXES}


@pytest.fixture
async def holding(
    stepped: SteppedReconciler, mailboxes: StandInMailboxes, admin: StandIn
) -> SteppedReconciler:
    """A tenant whose host has Mailu, with a mailbox that holds mail."""
    del mailboxes
    await running(stepped, admin)
    await stepped.until_quiet()
    return stepped


async def put(stepped: SteppedReconciler, **query: str) -> httpx2.Response:
    return await stepped.api.put("/tenants/acme", json=document(**WITHOUT), params=query)


def given(stepped: SteppedReconciler) -> tuple[bool, int | None]:
    """Return whether the host was last configured with Mailu, and how many mails may go."""
    variables = stepped.configurator.given["mx1"][0]
    return variables["mailu"] is not None, variables["discards"]


async def test_mail_is_not_destroyed_without_the_number(holding: SteppedReconciler) -> None:
    for query in ({}, {"destroy_mail": "true"}):
        answer = await put(holding, **query)
        assert answer.status_code == 409
        assert_shows(answer.json(), faults.HOST_LEAVES_MAIL, host="mx1", mailboxes=1, megabytes=4)
    assert given(holding) == (True, None)


async def test_the_host_is_given_the_number_once(holding: SteppedReconciler) -> None:
    assert (await put(holding, discard="812")).is_success
    await holding.step()
    assert given(holding) == (False, 812)
    await holding.until_quiet()
    runs = len(holding.configurator.runs)
    assert await holding.condition("HostsConfigured", HOST) == ("True", "Configured")
    assert await holding.condition("IdentityReady", HOST) == ("True", "NoMailu")
    holding.configurator.playbooks = "other playbooks"
    holding.clock.advance(minutes=11)
    await holding.step()
    assert len(holding.configurator.runs) == runs + 1
    assert given(holding) == (False, None)


async def test_more_mail_than_was_agreed_waits_for_another_number(
    holding: SteppedReconciler,
) -> None:
    holding.configurator.fail_next("mx1", MORE_MAIL(reason="Mailu holds 813 mails"))
    await put(holding, discard="812")
    await holding.step()
    assert await holding.condition("Stalled") == ("True", MORE_MAIL.reason)
    assert given(holding) == (True, None)
    assert (await put(holding, discard="813")).is_success
    await holding.until_quiet()
    assert given(holding) == (False, 813)


async def test_the_number_is_forgotten_when_the_host_keeps_mailu(
    holding: SteppedReconciler,
) -> None:
    holding.configurator.fail_next("mx1", MORE_MAIL(reason="Mailu holds 813 mails"))
    await put(holding, discard="812")
    await holding.step()
    await holding.apply(**SPEC)
    await holding.until_quiet()
    answer = await put(holding)
    assert_shows(answer.json(), faults.HOST_LEAVES_MAIL, host="mx1", mailboxes=1, megabytes=4)


async def test_a_host_gets_mailu_again(
    holding: SteppedReconciler, mailboxes: StandInMailboxes
) -> None:
    await put(holding, discard="812")
    await holding.until_quiet()
    await holding.apply(**SPEC)
    await holding.until_quiet()
    assert given(holding) == (True, None)
    assert mailboxes.moved == [[ANN]]
