"""Ready, Available and Synced: what an edit, a failure and a pause do to each."""

from __future__ import annotations

import pytest

from controlplane.ansible.faults import HOST_KEY_CHANGED
from controlplane.verification.faults import INBOUND_REFUSED, MISSING, OPEN_RELAY, UNCLEAR
from controlplane.verification.outbound.faults import (
    OUTBOUND_CLOSED,
    OUTBOUND_UNCLEAR,
    OUTBOUND_UNREAD,
)
from kit.faults import Code
from stacks.faults import CLOUDFLARE_UNAUTHORIZED
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.greeting_phase import Greeting

__all__ = ["stepped"]
RECORD = [{"name": "acme.example", "dmarc": "reject"}]
"""Another record than before."""
TWO = [{"name": "acme.example"}, {"name": "acme-mail.example"}]


async def test_available_during_an_edit_stays_true_while_synced_is_false(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.apply(domains=RECORD)
    meanwhile: dict[str, tuple[str, str]] = {}

    async def look() -> None:
        for type_ in ("Available", "Synced", "Ready"):
            meanwhile[type_] = await stepped.condition(type_)

    stepped.meanwhile("before up", look)
    await stepped.step()
    assert meanwhile == {
        "Available": ("True", "MailFlows"),
        "Synced": ("False", "NewGeneration"),
        "Ready": ("False", "NewGeneration"),
    }
    assert await stepped.condition("Synced") == ("True", "Applied")
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_available_after_an_edit_that_failed_stays_true(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.apply(domains=RECORD)
    stepped.cloud.failures = [CLOUDFLARE_UNAUTHORIZED.shown()]
    await stepped.step()
    assert await stepped.condition("Available") == ("True", "MailFlows")
    assert await stepped.condition("Synced") == ("False", "CloudflareUnauthorized")
    assert await stepped.condition("Stalled") == ("True", "CloudflareUnauthorized")


async def test_available_with_one_of_two_domains_is_true(stepped: SteppedReconciler) -> None:
    stepped.internet.wrong["domain/acme-mail.example", "dns.authoritative"] = MISSING
    await stepped.apply(domains=TWO)
    await stepped.step()
    assert await stepped.condition("Available") == ("True", "MailFlows")
    assert await stepped.condition("Ready") == ("False", MISSING.reason)


async def test_available_without_a_verified_domain_is_false(stepped: SteppedReconciler) -> None:
    stepped.internet.wrong["domain/acme.example", "dns.authoritative"] = MISSING
    await stepped.apply()
    await stepped.step()
    assert await stepped.condition("Available") == ("False", "DomainNotVerified")


@pytest.mark.parametrize(
    ("subject", "check", "code", "before", "after"),
    [
        ("domain/acme.example", "smtp.inbound", INBOUND_REFUSED, "False", "True"),
        ("domain/acme.example", "smtp.inbound", UNCLEAR, "False", "True"),
        ("address/mx1-2", "smtp.banner", UNCLEAR, "False", "True"),
        ("address/mx1-2", "smtp.relay", OPEN_RELAY, "False", "False"),
        ("address/mx1-2", "smtp.outbound", OUTBOUND_CLOSED, "False", "False"),
        ("address/mx1-2", "smtp.outbound", OUTBOUND_UNCLEAR, "False", "True"),
        ("address/mx1-2", "smtp.outbound", OUTBOUND_UNREAD, "False", "True"),
    ],
)
async def test_domain_sends_after_its_mail_was_seen_to_arrive_and_nothing_unanswered_ends_it(
    stepped: SteppedReconciler, subject: str, check: str, code: Code, before: str, after: str
) -> None:
    stepped.internet.wrong[subject, check] = code
    await stepped.apply()
    await stepped.step()
    assert (await stepped.condition("Available"))[0] == before
    del stepped.internet.wrong[subject, check]
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Available") == ("True", "MailFlows")
    stepped.internet.wrong[subject, check] = code
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert (await stepped.condition("Available"))[0] == after


async def test_host_that_failed_for_good_is_not_tried_again_before_the_next_apply(
    stepped: SteppedReconciler,
) -> None:
    hosts = [{"name": name, "addresses": 2, "zone": "acme.example"} for name in ("mx1", "mx2")]
    await stepped.apply(hosts=hosts)
    stepped.configurator.fail_next("mx2", HOST_KEY_CHANGED.shown())
    await stepped.step()
    assert await stepped.condition("Stalled") == ("True", HOST_KEY_CHANGED.reason)
    assert await stepped.condition("HostsConfigured", "host/mx1") == ("True", "Configured")
    assert await stepped.condition("Available") == ("True", "MailFlows")
    before = await stepped.operations()
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    assert await stepped.operations() == before
    assert await stepped.condition("Stalled") == ("True", HOST_KEY_CHANGED.reason)
    assert (await stepped.apply(hosts=hosts)).headers["Penguin-Outcome"] == "configured"
    await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_condition_of_a_phase_that_is_not_composed_stays_as_it_is(
    stepped: SteppedReconciler,
) -> None:
    stepped.phases.append(Greeting())
    await stepped.apply()
    await stepped.step()
    stepped.phases.pop()
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Greeted") == ("True", "Greeted")
    assert await stepped.condition("Ready") == ("True", "Ready")


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
    stepped: SteppedReconciler, target: dict[str, str]
) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.api.post("/stop", json=target | {"reason": "complaints"})
    assert await stepped.step(), "a stop makes the tenant due"
    assert await stepped.condition("Available") == ("False", "MailStopped")
    assert await stepped.condition("Synced") == ("True", "Applied")
    [shown] = [c for c in (await stepped.tenant())["conditions"] if c["type"] == "Available"]
    assert shown["message"].endswith(": complaints")
    await stepped.api.post("/start", json=target | {"reason": "resolved"})
    assert await stepped.step(), "a start makes the tenant due"
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_available_while_one_of_two_domains_is_stopped_is_true(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply(domains=TWO)
    await stepped.step()
    await stepped.api.post("/stop", json={"scope": "domain", "name": "acme.example", "reason": "x"})
    await stepped.step()
    assert await stepped.condition("Available") == ("True", "MailFlows")
