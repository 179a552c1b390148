"""A host with Mailu is Ready with a certificate that mail clients accept; bulk needs none."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.certificates.faults import EXPIRED, NO_AUTHORITY, REFUSED, RENEWAL_FAILING
from controlplane.conditions.failures import FailureThreshold
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phases.identity import Identity
from controlplane.reconciler.phases.roundtrip import Roundtrip
from kit.faults import Code
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.controlplane.test_certificates import FIRST, NAME, Around, make
from tests.support.faults import assert_shows
from tests.support.phases import MemoryMail, RightMailboxes
from tests.support.pinned_images import pin_images

__all__ = ["stepped"]
ACME, OTHER = "acme.example", "acme-mail.example"
HOST = {"name": "mx1", "size": "business", "zone": ACME, "mail": "mailu"}
MAILU: dict[str, Any] = {"hosts": [HOST]}
NONE: dict[str, Any] = {"hosts": [{**HOST, "mail": "none"}]}
READY = ("tenant", "host/mx1", f"domain/{ACME}")


async def around(stepped: SteppedReconciler, *directories: str) -> Around:
    """Return a reconciler whose hosts may have Mailu, and whose mailboxes are right."""
    return (await around_mail(stepped, *directories))[0]


async def around_mail(stepped: SteppedReconciler, *directories: str) -> tuple[Around, MemoryMail]:
    """Return it with the mail that it tries."""
    await pin_images(stepped.database)
    around, mail = make(stepped, *directories), MemoryMail()
    doubles: dict[type[AnyPhase], AnyPhase] = {
        Identity: Identity(RightMailboxes()),
        Roundtrip: Roundtrip(mail, FailureThreshold()),
    }
    stepped.phases = [doubles.get(type(phase), phase) for phase in stepped.phases]
    return around, mail


async def assert_not_available(stepped: SteppedReconciler, code: Code) -> None:
    """Check that people are said to be kept out, and that bulk leaves all the same."""
    condition = await stepped.shown_condition("Available")
    assert (condition["status"], condition["reason"]) == ("False", code.reason)
    assert condition["message"].startswith("CertificatesReady of host/mx1: ")
    assert NAME in condition["message"]
    for part in READY:
        assert await stepped.condition("Ready", part) == ("False", code.reason)
    assert await stepped.condition("Synced") == ("True", "Applied")
    assert await stepped.published() == {ACME: True}


async def assert_available(stepped: SteppedReconciler) -> None:
    assert await stepped.condition("Available") == ("True", "MailFlows")
    for part in READY:
        assert await stepped.condition("Ready", part) == ("True", "Ready")


async def test_available_without_an_authority_is_false_with_mailu(
    stepped: SteppedReconciler,
) -> None:
    await around(stepped)
    await stepped.apply(**MAILU)
    await stepped.step()
    await assert_not_available(stepped, NO_AUTHORITY)
    shown = await stepped.shown_condition("CertificatesReady", "host/mx1")
    assert_shows(shown, NO_AUTHORITY, name=NAME)


async def test_mail_of_people_without_a_public_certificate_is_tried_by_our_own_authority(
    stepped: SteppedReconciler,
) -> None:
    _, mail = await around_mail(stepped)
    await stepped.apply(**MAILU)
    await stepped.step()
    [mailbox] = mail.tried
    assert mailbox.authority is not None
    assert mailbox.authority.startswith("-----BEGIN CERTIFICATE-----")
    assert await stepped.condition("MailReturned", f"domain/{ACME}") == ("True", "Returned")


async def test_available_with_a_refused_certificate_is_false_with_mailu_until_it_is_issued(
    stepped: SteppedReconciler,
) -> None:
    acme = await around(stepped, FIRST)
    acme.authority.refused.add(NAME)
    await stepped.apply(**MAILU)
    await stepped.step()
    await assert_not_available(stepped, REFUSED)
    acme.authority.refused.clear()
    await acme.step(minutes=6)
    await assert_available(stepped)


async def test_available_while_a_renewal_fails_is_true_until_the_old_certificate_expires(
    stepped: SteppedReconciler,
) -> None:
    acme = await around(stepped, FIRST)
    await stepped.apply(**MAILU)
    await stepped.step()
    acme.authority.refused.add(NAME)
    await acme.step(days=61)
    assert await acme.shown() == ("False", RENEWAL_FAILING.reason)
    await assert_available(stepped)
    await acme.step(days=30)
    await assert_not_available(stepped, EXPIRED)
    acme.authority.refused.clear()
    await acme.step(hours=13)
    await assert_available(stepped)


@pytest.mark.parametrize("directories", [(), (FIRST,)])
async def test_available_without_mailu_is_true_without_a_certificate(
    stepped: SteppedReconciler, directories: tuple[str, ...]
) -> None:
    acme = await around(stepped, *directories)
    acme.authority.refused.add(NAME)
    await stepped.apply(**NONE)
    await stepped.step()
    assert await acme.issued() is None
    await assert_available(stepped)


async def test_available_without_mailu_is_true_with_an_expired_certificate(
    stepped: SteppedReconciler,
) -> None:
    acme = await around(stepped, FIRST)
    await stepped.apply(**NONE)
    await stepped.step()
    acme.authority.refused.add(NAME)
    for days, reason in ((61, RENEWAL_FAILING.reason), (30, EXPIRED.reason)):
        await acme.step(days=days)
        assert await acme.shown() == ("False", reason)
        await assert_available(stepped)


async def test_available_with_a_certificate_for_one_of_two_hosts_names_the_domain_that_waits(
    stepped: SteppedReconciler,
) -> None:
    acme = await around(stepped, FIRST)
    acme.authority.refused.add(NAME)
    second = {**HOST, "name": "mx2", "zone": OTHER}
    domains = [{"name": ACME}, {"name": OTHER}]
    await stepped.apply(hosts=[HOST, second], domains=domains)
    await stepped.step()
    available = await stepped.shown_condition("Available")
    assert (available["status"], available["message"]) == ("True", f"waiting: domain/{ACME}")
    assert await stepped.condition("Ready") == ("False", REFUSED.reason)
    assert await stepped.condition("Ready", f"domain/{OTHER}") == ("True", "Ready")
