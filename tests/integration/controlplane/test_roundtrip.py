"""People's mail is tried through our mailbox: before Ready, after changes, daily, and no more."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from controlplane.conditions.failures import FailureThreshold
from controlplane.database import CONTROLLER
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phases.certificates import Certificates
from controlplane.reconciler.phases.identity import Identity
from controlplane.reconciler.phases.roundtrip import Roundtrip
from controlplane.verification.faults import MISSING
from controlplane.verification.outbound.faults import OUTBOUND_UNCLEAR
from controlplane.verification.roundtrip import faults
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows
from tests.support.memory_authority import issuing
from tests.support.phases import MemoryMail, RightMailboxes
from tests.support.pinned_images import pin_images

__all__ = ["stepped"]
ACME, OTHER = "acme.example", "acme-mail.example"
HOST = {"name": "mx1", "size": "business", "zone": ACME, "mail": "mailu"}
SPEC: dict[str, Any] = {"hosts": [HOST]}
TWO: dict[str, Any] = {**SPEC, "domains": [{"name": ACME}, {"name": OTHER}]}
OUT = (ACME, "mail.out")
WRONG = (
    faults.CLOSED,
    faults.LOGIN_REFUSED,
    faults.REFUSED,
    faults.NOT_ARRIVED,
    faults.NOT_RETURNED,
    faults.REJECTED,
    faults.NOT_AUTHENTICATED,
)
SHOWN = (*WRONG, faults.UNCLEAR, faults.UNREPORTED, faults.UNTRIED)


@pytest.fixture
async def mail(stepped: SteppedReconciler) -> MemoryMail:
    """The mail of a host with Mailu, whose mailboxes are right."""
    mail = MemoryMail()
    doubles: dict[type[AnyPhase], AnyPhase] = {
        Certificates: Certificates(issuing(stepped.clock)),
        Identity: Identity(RightMailboxes()),
        Roundtrip: Roundtrip(mail, FailureThreshold()),
    }
    stepped.phases[:] = [doubles.get(type(phase), phase) for phase in stepped.phases]
    await pin_images(stepped.database)
    return mail


async def look(stepped: SteppedReconciler, **later: float) -> tuple[str, str]:
    """Make a pass later on; return what it says of the domain's mail."""
    stepped.clock.advance(**later)
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.schedule set due_at = 'epoch'"))
    assert await stepped.step()
    return await returned(stepped)


async def returned(stepped: SteppedReconciler, domain: str = ACME) -> tuple[str, str]:
    return await stepped.condition("MailReturned", f"domain/{domain}")


def tried(mail: MemoryMail) -> list[str]:
    """Return the domains that were tried since the last call."""
    domains = [mailbox.domain for mailbox in mail.tried]
    mail.tried.clear()
    return domains


async def test_mail_is_tried_before_ready_by_our_mailbox_alone(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    await stepped.apply(**SPEC)
    await stepped.step()
    [mailbox] = mail.tried
    assert (mailbox.domain, mailbox.address) == (ACME, "penguinmails@acme.example")
    assert (mailbox.token, mailbox.selector) == ("token of acme.example", "mu1")
    assert mailbox.name == "mx1.acme.example"
    assert mailbox.authority is None, "its certificate is a public one"
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert ("try", "succeeded", None) in await stepped.operations()


async def test_mail_is_tried_when_the_address_that_it_leaves_from_is_verified(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    stepped.internet.wrong["address/mx1-1", "smtp.outbound"] = OUTBOUND_UNCLEAR
    await stepped.apply(**SPEC)
    await stepped.step()
    assert await returned(stepped) == ("Unknown", "NotTried")
    assert mail.tried == []
    stepped.internet.wrong.clear()
    assert await look(stepped, minutes=1) == ("True", "Returned")


async def test_mail_is_tried_daily_and_after_each_change_of_the_host(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    await stepped.apply(**SPEC)
    await stepped.step()
    assert tried(mail) == [ACME]
    await look(stepped, hours=23)
    assert tried(mail) == []
    await look(stepped, hours=1)
    assert tried(mail) == [ACME]
    stepped.configurator.playbooks = "other playbooks"
    await look(stepped, minutes=11)
    assert tried(mail) == [ACME]
    await look(stepped, minutes=11)
    assert tried(mail) == []


async def test_mail_that_fails_at_first_keeps_its_domain_from_ready_and_no_bulk_from_leaving(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    mail.wrong[OUT] = faults.NOT_AUTHENTICATED
    await stepped.apply(**TWO)
    await stepped.step()
    assert sorted(tried(mail)) == [OTHER, ACME]
    reason = faults.NOT_AUTHENTICATED.reason
    assert await returned(stepped) == ("False", reason)
    assert await returned(stepped, OTHER) == ("True", "Returned")
    assert await stepped.condition("Ready", f"domain/{ACME}") == ("False", reason)
    assert await stepped.condition("Ready", f"domain/{OTHER}") == ("True", "Ready")
    assert (await stepped.condition("Ready"))[0] == "False"
    assert await stepped.condition("Available") == ("True", "MailFlows")
    mail.wrong.clear()
    assert await look(stepped, minutes=6) == ("True", "Returned")
    assert tried(mail) == [ACME]
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_a_domain_without_its_records_waits_and_keeps_no_other_from_ready(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    stepped.internet.wrong[f"domain/{OTHER}", "dns.authoritative"] = MISSING
    domains = [{"name": ACME}, {"name": OTHER, "dns": "manual"}]
    await stepped.apply(**SPEC, domains=domains, mailboxes=[{"address": f"sales@{OTHER}"}])
    await stepped.step()
    assert tried(mail) == [ACME]
    assert await returned(stepped, OTHER) == ("Unknown", MISSING.reason)
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_what_a_try_has_shown_is_said_with_its_remedy(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    mail.wrong[OUT] = SHOWN[0]
    await stepped.apply(**SPEC)
    for code in SHOWN:
        mail.wrong[OUT] = code
        status, reason = await look(stepped, hours=24)
        condition = await stepped.shown_condition("MailReturned", f"domain/{ACME}")
        if code in WRONG:
            assert status == "False"
            assert_shows(condition, code)
        elif code is faults.UNCLEAR:
            assert status == "Unknown"
            assert_shows(condition, code)
        else:
            assert (status, reason) == ("True", "Returned")
            assert_shows({**condition, "reason": code.reason}, code)


async def test_mail_that_came_back_once_is_wrong_after_three_tries_over_half_an_hour(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    await stepped.apply(**SPEC)
    await stepped.step()
    mail.wrong[OUT] = faults.NOT_RETURNED
    assert await look(stepped, hours=24) == ("True", "Returned")
    condition = await stepped.shown_condition("MailReturned", f"domain/{ACME}")
    assert "1 wrong looks in 0 min, taken for wrong after 3 in 30 min" in condition["message"]
    assert await look(stepped, minutes=6) == ("True", "Returned")
    assert await look(stepped, minutes=11) == ("True", "Returned")
    assert await look(stepped, minutes=21) == ("False", faults.NOT_RETURNED.reason)
    assert tried(mail) == [ACME] * 5
    assert await stepped.condition("Available") == ("True", "MailFlows")


async def test_nothing_unanswered_turns_it_off_and_pauses_grow(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    await stepped.apply(**SPEC)
    await stepped.step()
    mail.wrong[ACME, "mail.in"] = faults.UNCLEAR
    await look(stepped, hours=24)
    tried(mail)
    for pause in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        assert await look(stepped, seconds=pause - 1) == ("True", "Returned")
        assert tried(mail) == []
        assert await look(stepped, seconds=1) == ("True", "Returned")
        assert tried(mail) == [ACME]


async def test_no_mail_is_tried_while_it_is_stopped(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    stop = {"scope": "domain", "name": ACME, "reason": "an account was taken over"}
    await stepped.apply(**TWO)
    assert (await stepped.api.post("/stop", json=stop)).status_code == 200
    await stepped.step()
    assert tried(mail) == [OTHER]
    assert await returned(stepped) == ("Unknown", "MailStopped")
    assert (await stepped.api.post("/start", json=stop)).status_code == 200
    assert await look(stepped, minutes=11) == ("True", "Returned")
    assert tried(mail) == [ACME]


async def test_a_domain_that_was_given_up_is_tried_when_it_is_declared_again(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    await stepped.apply(**TWO)
    await stepped.step()
    assert sorted(tried(mail)) == [OTHER, ACME]
    await stepped.apply(**SPEC)
    await look(stepped, minutes=11)
    query = text("select domain from oltp.round_trips")
    async with stepped.database.begin(CONTROLLER) as connection:
        assert (await connection.execute(query)).scalars().all() == [ACME]


async def test_mail_of_a_host_without_mailu_is_not_tried(
    stepped: SteppedReconciler, mail: MemoryMail
) -> None:
    await stepped.apply()
    await stepped.step()
    assert mail.tried == []
    assert await returned(stepped) == ("True", "NoMailu")
    assert await stepped.condition("Ready") == ("True", "Ready")
