"""Phase `certificates` in passes on a real database; the authority and its clock in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from controlplane.certificates import repository
from controlplane.certificates.faults import (
    AUTHORITY_UNREACHABLE,
    EXPIRED,
    RATE_LIMITED,
    REFUSED,
    RENEWAL_FAILING,
    UNFINISHED,
)
from controlplane.certificates.repository import IssuedCertificate
from controlplane.database import CONTROLLER
from controlplane.reconciler.authority import Refused, Trouble
from controlplane.reconciler.ports import CERTIFICATE
from controlplane.verification.faults import TLS_FAILED
from stacks.faults import CLOUDFLARE_UNAUTHORIZED
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import any_values, assert_shows
from tests.support.memory_authority import MemoryAuthority, Records, memory_ports
from tests.support.phases import standard
from tests.support.points import Points, killed

__all__ = ["stepped"]
NAME = "mx1.acme.example"
FIRST, SECOND = "https://one.example/directory", "https://two.example/directory"


@dataclass
class Around:
    """A reconciler with public authorities."""

    stepped: SteppedReconciler
    authority: MemoryAuthority
    points: Points

    async def step(self, **later: float) -> None:
        self.stepped.clock.advance(**later)
        assert await self.stepped.step()

    async def shown(self) -> tuple[str, str]:
        return await self.stepped.condition("CertificatesReady", "host/mx1")

    async def condition(self) -> dict[str, Any]:
        return await self.stepped.shown_condition("CertificatesReady", "host/mx1")

    async def issued(self) -> IssuedCertificate | None:
        async with self.stepped.database.begin(CONTROLLER) as connection:
            found = await repository.current(connection, [NAME], now=self.stepped.clock())
        return found.get(NAME)

    def refuse_once(self, point: str, trouble: Trouble, wait: timedelta | None = None) -> None:
        def refuse() -> None:
            raise Refused(trouble, f"{trouble}: said the authority", wait)

        self.points.once(point, refuse)


def make(stepped: SteppedReconciler, *directories: str, orders_a_week: int = 45) -> Around:
    points = Points()
    authority = MemoryAuthority(Records(points), stepped.clock, directories)
    stepped.phases = standard(
        stepped.cloud,
        stepped.internet,
        stepped.configurator,
        servers=stepped.cloud.account,
        spools=stepped.spools,
        certificates=memory_ports(authority, orders_a_week=orders_a_week),
    )
    return Around(stepped, authority, points)


@pytest.fixture
def around(stepped: SteppedReconciler) -> Around:
    return make(stepped, FIRST)


async def test_first_pass_issues_and_the_host_is_configured_with_it_once(around: Around) -> None:
    await around.stepped.apply()
    await around.step()
    assert await around.shown() == ("True", "Issued")
    assert await around.stepped.condition("Ready") == ("True", "Ready")
    assert around.stepped.configurator.runs == ["mx1"]
    assert list(around.stepped.internet.public_names) == [NAME]
    assert around.authority.records.published == {}
    assert ("certify", "succeeded", None) in await around.stepped.operations()


async def test_it_is_renewed_at_two_thirds_of_its_life_with_a_new_key(around: Around) -> None:
    await around.stepped.apply()
    await around.step()
    first = await around.issued()
    await around.step(days=59)
    assert await around.issued() == first
    await around.step(days=2)
    second = await around.issued()
    assert first is not None
    assert second is not None
    assert second.not_after > first.not_after
    keys = {
        around.stepped.vault.open(issued.sealed_key, context=repository.key_context(NAME))
        for issued in (first, second)
    }
    assert len(keys) == 2
    assert around.stepped.configurator.runs == ["mx1", "mx1"]


async def test_refused_name_keeps_no_host_and_no_mail_waiting(around: Around) -> None:
    around.authority.refused.add(NAME)
    await around.stepped.apply()
    await around.step()
    assert await around.shown() == ("False", "CertificateRefused")
    assert_shows(await around.condition(), REFUSED, **any_values(REFUSED))
    assert await around.stepped.condition("Ready") == ("True", "Ready")
    assert await around.stepped.condition("Ready", "host/mx1") == ("True", "Ready")
    assert list(around.stepped.internet.public_names) == []
    assert around.authority.records.published == {}
    assert len(around.authority.orders) == 1
    await around.step(seconds=5)
    assert await around.shown() == ("False", "CertificateRefused")
    assert len(around.authority.orders) == 1, "the next attempt waits"
    around.authority.refused.clear()
    await around.step(minutes=6)
    assert await around.shown() == ("True", "Issued")


async def test_failing_renewal_shows_so_while_the_old_one_is_valid_then_expired(
    around: Around,
) -> None:
    await around.stepped.apply()
    await around.step()
    around.authority.refused.add(NAME)
    await around.step(days=61)
    assert await around.shown() == ("False", "CertificateRenewalFailing")
    assert_shows(await around.condition(), RENEWAL_FAILING, **any_values(RENEWAL_FAILING))
    assert await around.issued() is not None
    assert list(around.stepped.internet.public_names) == [NAME]
    await around.step(days=30)
    assert await around.shown() == ("False", "CertificateExpired")
    assert_shows(await around.condition(), EXPIRED, **any_values(EXPIRED))
    assert around.stepped.configurator.runs == ["mx1", "mx1"], "it shows its own authority's again"
    assert list(around.stepped.internet.public_names) == []
    assert await around.stepped.condition("Ready") == ("True", "Ready")


async def test_a_paused_tenants_certificate_is_renewed(around: Around) -> None:
    await around.stepped.apply()
    await around.step()
    first = await around.issued()
    await around.stepped.api.put("/tenants/acme/pause", json={"reason": "holiday"})
    await around.step(days=61)
    assert await around.issued() != first


async def test_what_the_authority_asks_to_wait_is_waited(around: Around) -> None:
    around.refuse_once(f"order at {FIRST}", Trouble.LIMITED, timedelta(hours=3))
    await around.stepped.apply()
    await around.step()
    assert await around.shown() == ("False", "CertificateRateLimited")
    assert_shows(await around.condition(), RATE_LIMITED, **any_values(RATE_LIMITED))
    await around.step(hours=2, minutes=59)
    assert await around.shown() == ("False", "CertificateRateLimited")
    assert around.authority.orders == {}
    await around.step(minutes=6)
    assert await around.shown() == ("True", "Issued")


async def test_the_second_authority_is_asked_when_the_first_limits(
    stepped: SteppedReconciler,
) -> None:
    around = make(stepped, FIRST, SECOND)
    around.refuse_once(f"order at {FIRST}", Trouble.LIMITED, timedelta(days=3))
    around.refuse_once(f"order at {SECOND}", Trouble.REFUSED)
    await around.stepped.apply()
    await around.step()
    await around.step(seconds=5)
    assert around.authority.orders == {}
    await around.step(minutes=10)
    assert await around.shown() == ("True", "Issued")
    assert list(around.authority.orders) == [f"{SECOND}/order/0"], "the first still waits"


async def test_orders_over_the_weekly_limit_wait_with_a_reason(stepped: SteppedReconciler) -> None:
    around = make(stepped, FIRST, orders_a_week=1)
    hosts = [{"name": f"mx{n}", "size": "business", "addresses": 2, "zone": "acme.example"}
             for n in (1, 2)]  # fmt: skip
    await around.stepped.apply(hosts=hosts)
    await around.step()
    shown = {await around.stepped.condition("CertificatesReady", f"host/mx{n}") for n in (1, 2)}
    assert shown == {("True", "Issued"), ("False", "CertificateRateLimited")}
    assert len(around.authority.orders) == 1
    await around.step(days=7, minutes=6)
    assert len(around.authority.orders) == 2
    assert await around.stepped.condition("CertificatesReady") == ("True", "Issued")


async def test_orders_by_which_nothing_was_issued_do_not_count(
    stepped: SteppedReconciler,
) -> None:
    around = make(stepped, FIRST, orders_a_week=1)
    around.authority.refused.add(NAME)
    await around.stepped.apply()
    await around.step()
    around.authority.refused.clear()
    await around.step(minutes=6)
    assert await around.shown() == ("True", "Issued")


async def test_forgotten_account_is_registered_again_with_its_key(around: Around) -> None:
    await around.stepped.apply()
    await around.step()
    [key] = around.authority.accounts
    around.authority.accounts.clear()
    around.authority.accounts["another"] = "account/0"
    await around.step(days=61)
    await around.step(minutes=6)
    assert await around.shown() == ("True", "Issued")
    assert around.authority.accounts[key] == "account/1"


POINTS = ["registered", "ordered", "published", "answered", "finalized", f"chain at {FIRST}",
          "withdraw", "withdrawn"]  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_point_the_next_pass_ends_the_same_order(
    around: Around, point: str
) -> None:
    await around.stepped.apply()
    around.points.kill(point)
    with killed():
        await around.step()
    await around.stepped.end_leases()
    await around.step(minutes=6)
    assert await around.shown() == ("True", "Issued")
    assert await around.stepped.condition("Ready") == ("True", "Ready")
    assert around.authority.records.published == {}
    # An order whose answer was lost is not known; no other is made twice.
    assert len(around.authority.orders) == (2 if point == "ordered" else 1)
    assert len(around.authority.accounts) == 1


async def test_authority_that_does_not_answer_continues_the_same_order(around: Around) -> None:
    around.refuse_once("answered", Trouble.PASSING)
    await around.stepped.apply()
    await around.step()
    assert await around.shown() == ("False", "CertificateAuthorityUnreachable")
    assert_shows(
        await around.condition(), AUTHORITY_UNREACHABLE, **any_values(AUTHORITY_UNREACHABLE)
    )
    await around.step(minutes=6)
    assert await around.shown() == ("True", "Issued")
    assert len(around.authority.orders) == 1


async def test_trouble_of_the_dns_provider_continues_the_same_order(around: Around) -> None:
    def fail() -> None:
        raise CLOUDFLARE_UNAUTHORIZED.shown()

    around.points.once("published", fail)
    await around.stepped.apply()
    await around.step()
    assert_shows(await around.condition(), UNFINISHED, **any_values(UNFINISHED))
    assert await around.stepped.condition("Ready") == ("True", "Ready")
    await around.step(minutes=6)
    assert await around.shown() == ("True", "Issued")
    assert len(around.authority.orders) == 1


async def test_records_of_a_host_that_is_taken_out_or_of_a_deleted_tenant_are_removed(
    around: Around,
) -> None:
    around.points.kill("answered")
    await around.stepped.apply()
    with killed():
        await around.step()
    await around.stepped.end_leases()
    assert around.authority.records.published
    await around.stepped.api.delete("/tenants/acme")
    await around.stepped.until_quiet()
    assert around.authority.records.published == {}
    async with around.stepped.database.begin(CONTROLLER) as connection:
        left = (await connection.execute(text("select name from oltp.certificates"))).all()
    assert left == []


async def test_wrong_certificate_at_port_25_turns_an_address_off_when_it_persists(
    around: Around,
) -> None:
    await around.stepped.apply()
    await around.step()
    around.stepped.internet.wrong["address/mx1-1", CERTIFICATE] = TLS_FAILED
    await around.step(minutes=11)
    await around.step(minutes=11)
    assert around.stepped.configurator.runs == ["mx1", "mx1"], "it is configured again"
    assert await around.stepped.condition("Verified", "address/mx1-1") == ("True", "Verified")
    query = "update oltp.consecutive_failures set since = since - interval '30 minutes', looks = 9"
    async with around.stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text(query))
    await around.step(minutes=11)
    condition = await around.stepped.condition("Verified", "address/mx1-1")
    assert condition == ("False", "SmtpTlsFailed")
    around.stepped.internet.wrong.clear()
    await around.step(minutes=11)
    assert await around.stepped.condition("Ready") == ("True", "Ready")
