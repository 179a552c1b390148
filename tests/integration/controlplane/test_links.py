"""Links in mail lead to a name of the domain once it is proven, and else to the platform's host."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER
from controlplane.verification import faults
from kit.faults import Code
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.integration.controlplane.test_consecutive_failures import pass_time
from tests.support.installation import PLATFORM

__all__ = ["stepped"]
DOMAIN, NAME = "acme.example", "u.acme.example"
SUBJECT = f"domain/{DOMAIN}"
NOT_SERVED = ("links.https", faults.LINKS_NOT_SERVED)
MANUAL = {
    "hosts": [{"name": "mx1", "size": "business", "addresses": 2}],
    "domains": [{"name": DOMAIN, "dns": "manual"}],
}


@pytest.fixture
def public(stepped: SteppedReconciler) -> SteppedReconciler:
    """A platform with a public address."""
    stepped.platform = PLATFORM.model_copy(update={"public_address": "192.0.2.80"})
    return stepped


async def hosts(stepped: SteppedReconciler) -> list[str | None]:
    """Return the names for links that the sender knows."""
    async with stepped.database.begin(CONTROLLER) as connection:
        entry = (
            await connection.execute(text("select document from directory.entries"))
        ).scalar_one()
    return [domain["unsubscribe_host"] for domain in entry["domains"]]


async def look(stepped: SteppedReconciler) -> list[str | None]:
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    return await hosts(stepped)


async def test_without_a_public_address_links_lead_to_the_platform(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    assert await hosts(stepped) == [None]
    assert await stepped.condition("LinksReady", SUBJECT) == ("True", "PlatformHost")


@pytest.mark.parametrize("failing", [("links.name", faults.LINKS_ELSEWHERE), NOT_SERVED])
async def test_name_is_published_once_it_is_proven_and_mail_does_not_wait_for_it(
    public: SteppedReconciler, failing: tuple[str, Code]
) -> None:
    public.links.wrong[DOMAIN] = failing
    await public.apply()
    await public.step()
    assert await hosts(public) == [None]
    assert await public.condition("LinksReady", SUBJECT) == ("False", failing[1].reason)
    assert await public.condition("Ready", SUBJECT) == ("True", "Ready")
    assert await public.condition("Ready") == ("True", "Ready")
    assert await public.published() == {DOMAIN: True}
    public.links.wrong.clear()
    assert await look(public) == [NAME]
    assert await public.condition("LinksReady", SUBJECT) == ("True", "Proven")


async def test_passing_trouble_changes_nothing_and_what_persists_leads_to_the_platform(
    public: SteppedReconciler,
) -> None:
    await public.apply()
    await public.step()
    assert await hosts(public) == [NAME]
    public.links.wrong[DOMAIN] = NOT_SERVED
    assert [await look(public) for _ in range(3)] == [[NAME]] * 3
    await pass_time(public, 30)
    assert await look(public) == [None]
    assert await public.published() == {DOMAIN: True}
    public.links.wrong.clear()
    assert await look(public) == [NAME]


@pytest.mark.parametrize("code", [faults.NO_ANSWER, faults.SERVER_FAILED])
async def test_name_that_cannot_be_looked_up_stays(public: SteppedReconciler, code: Code) -> None:
    await public.apply()
    await public.step()
    public.links.wrong[DOMAIN] = ("links.name", code)
    for _ in range(4):
        assert await look(public) == [NAME]
        await pass_time(public, 60)


async def test_address_that_is_set_later_is_proven_first(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    stepped.platform = PLATFORM.model_copy(update={"public_address": "192.0.2.80"})
    stepped.links.wrong[DOMAIN] = NOT_SERVED
    assert await look(stepped) == [None]
    stepped.links.wrong.clear()
    assert await look(stepped) == [NAME]
    stepped.platform = PLATFORM
    assert await look(stepped) == [None]


async def test_name_that_an_owner_never_sets_brings_no_further_passes(
    public: SteppedReconciler,
) -> None:
    public.links.wrong[DOMAIN] = ("links.name", faults.LINKS_ELSEWHERE)
    await public.apply(**MANUAL)
    await public.step()
    assert await public.condition("LinksReady", SUBJECT) == ("False", "LinksElsewhere")
    public.clock.advance(minutes=6)
    assert not await public.step()
