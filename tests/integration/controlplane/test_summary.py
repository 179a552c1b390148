"""Ready, Available and Synced: what an edit, a failure and a pause do to each."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controlplane.ansible.faults import HOST_KEY_CHANGED
from controlplane.reconciler.ports import CloudState
from controlplane.verification.faults import MISSING
from stacks.faults import CLOUDFLARE_UNAUTHORIZED
from tests.integration.controlplane.stepped_reconciler import World, world
from tests.support.greeting_phase import Greeting

__all__ = ["world"]
MAILBOX = [{"address": "a@acme.example"}]
TWO = [{"name": "acme.example"}, {"name": "acme-mail.example"}]


async def test_available_during_an_edit_stays_true_while_synced_is_false(world: World) -> None:
    await world.apply()
    await world.step()
    await world.apply(mailboxes=MAILBOX)
    up, loop = world.cloud.up, asyncio.get_running_loop()
    meanwhile: dict[str, tuple[str, str]] = {}

    async def look() -> None:
        for type_ in ("Available", "Synced", "Ready"):
            meanwhile[type_] = await world.condition(type_)

    def looked_at(*args: Any, **kwargs: Any) -> CloudState:
        asyncio.run_coroutine_threadsafe(look(), loop).result(timeout=10)
        return up(*args, **kwargs)

    world.cloud.up = looked_at  # type: ignore[method-assign]
    await world.step()
    assert meanwhile == {
        "Available": ("True", "MailFlows"),
        "Synced": ("False", "NewGeneration"),
        "Ready": ("False", "NewGeneration"),
    }
    assert await world.condition("Synced") == ("True", "Applied")
    assert await world.condition("Ready") == ("True", "Ready")


async def test_available_after_an_edit_that_failed_stays_true(world: World) -> None:
    await world.apply()
    await world.step()
    await world.apply(mailboxes=MAILBOX)
    world.cloud.failures = [CLOUDFLARE_UNAUTHORIZED.shown()]
    await world.step()
    assert await world.condition("Available") == ("True", "MailFlows")
    assert await world.condition("Synced") == ("False", "CloudflareUnauthorized")
    assert await world.condition("Stalled") == ("True", "CloudflareUnauthorized")


async def test_available_with_one_of_two_domains_is_true(world: World) -> None:
    world.internet.wrong["domain/acme-mail.example", "dns.authoritative"] = MISSING
    await world.apply(domains=TWO)
    await world.step()
    assert await world.condition("Available") == ("True", "MailFlows")
    assert await world.condition("Ready") == ("False", MISSING.reason)


async def test_available_without_a_verified_domain_is_false(world: World) -> None:
    world.internet.wrong["domain/acme.example", "dns.authoritative"] = MISSING
    await world.apply()
    await world.step()
    assert await world.condition("Available") == ("False", "DomainNotVerified")


async def test_host_that_failed_for_good_is_not_tried_again_before_the_next_apply(
    world: World,
) -> None:
    hosts = [{"name": name, "addresses": 2, "zone": "acme.example"} for name in ("mx1", "mx2")]
    await world.apply(hosts=hosts)
    world.configurator.fail_next("mx1", HOST_KEY_CHANGED.shown())
    await world.step()
    assert await world.condition("Stalled") == ("True", HOST_KEY_CHANGED.reason)
    assert await world.condition("HostsConfigured", "host/mx2") == ("True", "Configured")
    assert await world.condition("Available") == ("True", "MailFlows")
    before = await world.operations()
    world.clock.advance(minutes=11)
    assert await world.step()
    assert await world.operations() == before
    assert await world.condition("Stalled") == ("True", HOST_KEY_CHANGED.reason)
    assert (await world.apply(hosts=hosts)).headers["Penguin-Outcome"] == "configured"
    await world.step()
    assert await world.condition("Ready") == ("True", "Ready")


async def test_condition_of_a_phase_that_is_not_composed_stays_as_it_is(world: World) -> None:
    world.phases.append(Greeting())
    await world.apply()
    await world.step()
    world.phases.pop()
    world.clock.advance(minutes=11)
    await world.step()
    assert await world.condition("Greeted") == ("True", "Greeted")
    assert await world.condition("Ready") == ("True", "Ready")


@pytest.mark.parametrize(
    "target",
    [
        {"scope": "platform"},
        {"scope": "tenant", "name": "acme"},
        {"scope": "domain", "name": "acme.example"},
        {"scope": "address", "name": "mx1-2", "tenant": "acme"},
    ],
    ids=lambda target: target["scope"],
)
async def test_available_while_mail_is_stopped_is_false_until_it_is_started(
    world: World, target: dict[str, str]
) -> None:
    await world.apply()
    await world.step()
    await world.api.post("/stop", json=target | {"reason": "complaints"})
    assert await world.step(), "a stop makes the tenant due"
    assert await world.condition("Available") == ("False", "MailStopped")
    assert await world.condition("Synced") == ("True", "Applied")
    [shown] = [c for c in (await world.tenant())["conditions"] if c["type"] == "Available"]
    assert shown["message"].endswith(": complaints")
    await world.api.post("/start", json=target | {"reason": "resolved"})
    assert await world.step(), "a start makes the tenant due"
    assert await world.condition("Ready") == ("True", "Ready")


async def test_available_while_one_of_two_domains_is_stopped_is_true(world: World) -> None:
    await world.apply(domains=TWO)
    await world.step()
    await world.api.post("/stop", json={"scope": "domain", "name": "acme.example", "reason": "x"})
    await world.step()
    assert await world.condition("Available") == ("True", "MailFlows")
