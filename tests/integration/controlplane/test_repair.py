"""What others have changed at the providers is repaired as the document says, and when it says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from blueprint.naming import server_name
from controlplane.database import CONTROLLER
from controlplane.faults import OPERATORS_ONLY, SERVER_NOT_ENDED, TENANT_DELETING
from controlplane.verification import faults
from hostwinds.faults import FROZEN
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows
from tests.support.installation import INSTALLATION

__all__ = ["stepped"]
LABEL = server_name(INSTALLATION, "acme", "mx1", 1)
DOMAIN = "domain/acme.example"
AUTHORITATIVE = (DOMAIN, "dns.authoritative")


async def applied(stepped: SteppedReconciler, **policy: Any) -> None:
    """Bring a tenant with a policy to its document; the last operation is a day old."""
    await stepped.apply(**policy)
    assert await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    stepped.clock.advance(days=1)
    assert await stepped.step()
    assert await stepped.condition("Drifted") == ("False", "AsApplied")


async def changed_record(stepped: SteppedReconciler) -> None:
    """Let name servers show another record for so long that its domain is off."""
    stepped.internet.wrong[AUTHORITATIVE] = faults.MISSING
    for _ in range(3):
        await look(stepped)
    query = "update oltp.consecutive_failures set since = since - interval '1 hour'"
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text(query))
    await look(stepped)
    assert await stepped.condition("DnsReady", DOMAIN) == ("False", faults.MISSING.reason)


async def look(stepped: SteppedReconciler, **later: int) -> None:
    stepped.clock.advance(**(later or {"minutes": 11}))
    assert await stepped.step()


async def drift(stepped: SteppedReconciler) -> str:
    condition = await stepped.shown_condition("Drifted")
    assert (condition["status"], condition["reason"]) == ("True", "ChangedOutside")
    return str(condition["message"])


async def test_without_a_policy_records_are_written_again(stepped: SteppedReconciler) -> None:
    await applied(stepped)
    await changed_record(stepped)
    await look(stepped)
    assert (await stepped.operations())[-1][0] == "refresh"


async def test_nothing_is_repaired_with_never_until_a_person_asks(
    stepped: SteppedReconciler,
) -> None:
    await applied(stepped, repair="never")
    await changed_record(stepped)
    stepped.cloud.account.move(LABEL)
    for _ in range(3):
        await look(stepped, hours=5)
    assert stepped.cloud.ups == 1
    words = await drift(stepped)
    assert f"{DOMAIN}: " in words
    assert "another main address" in words
    assert words.endswith("`repair: never`")
    assert (await stepped.api.post("/tenants/acme/refresh")).is_success
    assert await stepped.step()
    assert stepped.cloud.ups == 2


async def test_repair_waits_for_the_hours_of_maintenance(stepped: SteppedReconciler) -> None:
    opens = stepped.clock() + timedelta(days=3)
    hours = f"{opens:%H}:00-{opens + timedelta(hours=3):%H}:00"
    day = f"{opens:%a}".lower()
    await applied(stepped, maintenance={"hours": hours, "days": [day]})
    await changed_record(stepped)
    stepped.cloud.account.move(LABEL)
    await look(stepped)
    assert stepped.cloud.ups == 1
    assert f"; repaired from {opens:%Y-%m-%d %H}:00 UTC on" in await drift(stepped)
    stepped.clock.advance(seconds=(opens - stepped.clock()).total_seconds() + 60)
    assert await stepped.step()
    assert stepped.cloud.ups == 2


@pytest.mark.parametrize("repair", ["never", "dns"])
async def test_server_that_has_ended_is_not_bought_again_by_itself(
    stepped: SteppedReconciler, repair: str
) -> None:
    await applied(stepped, repair=repair)
    stepped.cloud.account.end(LABEL)
    for _ in range(2):
        await look(stepped)
    assert stepped.cloud.account.bought == [LABEL]
    assert "is not in the account any more" in await drift(stepped)


async def test_server_that_has_ended_is_bought_again_once_with_all(
    stepped: SteppedReconciler,
) -> None:
    await applied(stepped, repair="all")
    stepped.cloud.account.end(LABEL)
    await look(stepped)
    assert stepped.cloud.account.bought == [LABEL, LABEL]
    stepped.cloud.account.is_recent = True
    stepped.cloud.account.end(LABEL)
    for _ in range(3):
        await look(stepped)
    assert stepped.cloud.account.bought == [LABEL, LABEL], "it ends each time that it is bought"


async def retry(stepped: SteppedReconciler, *hosts: str) -> httpx2.Response:
    return await stepped.api.post("/tenants/acme/retry", json={"buy_again": list(hosts)})


@pytest.mark.parametrize("repair", ["never", "dns"])
async def test_server_that_has_ended_is_bought_again_by_a_retry_that_says_so(
    stepped: SteppedReconciler, repair: str
) -> None:
    await applied(stepped, repair=repair)
    account = stepped.cloud.account
    account.is_recent = True
    account.end(LABEL)
    await look(stepped)
    bodies: tuple[dict[str, list[str]] | None, ...] = (None, {}, {"buy_again": []})
    for body in bodies:
        assert (await stepped.api.post("/tenants/acme/retry", json=body)).is_success
        assert await stepped.step()
    assert account.bought == [LABEL], "no retry has said so"
    assert (await retry(stepped, "mx1")).is_success
    await stepped.until_quiet()
    assert account.bought == [LABEL, LABEL]
    assert await stepped.condition("Ready") == ("True", "Ready")
    events = (await stepped.api.get("/events?tenant=acme")).json()["items"]
    [event] = [event for event in events if event["kind"] == "purchase"]
    assert (event["reason"], event["actor"] is None) == ("BoughtAgain", False)

    account.end(LABEL)
    for _ in range(3):
        await look(stepped)
    assert account.bought == [LABEL, LABEL], "the word was for the server before"


async def test_word_that_a_failed_order_leaves_is_kept_for_its_server_alone(
    stepped: SteppedReconciler,
) -> None:
    await applied(stepped, repair="never")
    stepped.cloud.account.end(LABEL)
    await look(stepped)
    assert (await retry(stepped, "mx1")).is_success
    stepped.cloud.failures = [FROZEN.shown()]
    assert await stepped.step()
    assert stepped.cloud.account.bought == [LABEL]
    await stepped.until_quiet()
    assert stepped.cloud.account.bought == [LABEL, LABEL]


async def test_retry_that_names_a_host_with_a_server_is_refused_and_changes_nothing(
    stepped: SteppedReconciler, client_of: Any
) -> None:
    await applied(stepped)
    before = await stepped.tenant()
    for host in ("mx1", "mx9"):
        refused = (await retry(stepped, host)).json()
        assert_shows(refused, SERVER_NOT_ENDED, host=host, tenant="acme")
    assert (await retry(stepped, "MX 1")).status_code == 422
    stepped.cloud.account.end(LABEL)
    await look(stepped)
    own = await client_of(before["id"])
    refused = await own.post("/tenants/acme/retry", json={"buy_again": ["mx1"]})
    assert_shows(refused.json(), OPERATORS_ONLY)
    assert (await own.post("/tenants/acme/retry", json={})).is_success
    await look(stepped)
    assert stepped.cloud.account.bought == [LABEL]
    assert (await stepped.api.delete("/tenants/acme")).is_success
    assert_shows((await retry(stepped, "mx1")).json(), TENANT_DELETING, name="acme")


async def test_policy_is_read_and_shown_as_written_and_left_out_by_default(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    spec = (await stepped.tenant())["document"]["spec"]
    assert not {"repair", "maintenance"} & spec.keys()
    await stepped.apply(repair="all", maintenance={"hours": "01:00-05:00", "days": ["sun"]})
    spec = (await stepped.tenant())["document"]["spec"]
    assert spec["repair"] == "all"
    expected = {"timezone": "UTC", "hours": "01:00-05:00", "days": ["sun"]}
    assert spec["maintenance"] == expected
