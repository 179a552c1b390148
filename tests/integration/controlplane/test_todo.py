"""Required actions are listed while they are required, each once, with the remedy."""

from __future__ import annotations

from typing import Any

from controlplane.reconciler.faults import SERVER_GONE
from controlplane.verification.faults import MISSING, NOT_DELEGATED
from hostwinds.faults import PURCHASE_AMBIGUOUS, REFUSED, SERVER_LOCKED
from stacks.faults import CLOUDFLARE_RATE_LIMITED, ZONE_NOT_FOUND
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped

__all__ = ["stepped"]


async def todo(stepped: SteppedReconciler, **query: Any) -> list[dict[str, Any]]:
    answer = await stepped.api.get("/todo", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_address_is_listed_until_it_was_bought(stepped: SteppedReconciler) -> None:
    stepped.cloud.account.withheld = {"mx1-2"}
    await stepped.apply()
    await stepped.until_quiet()
    [row] = await todo(stepped)
    [server] = stepped.cloud.account.servers.values()
    assert (row["tenant"], row["subject"], row["acts"]) == ("acme", "address/mx1-2", "operator")
    assert row["remedy"].startswith(f"buy an address for server {server.service_id}")
    stepped.cloud.account.withheld = set()
    await stepped.until_quiet()
    assert await todo(stepped) == []


async def test_records_of_a_manual_zone_are_listed_once_and_not_what_waits_for_them(
    stepped: SteppedReconciler,
) -> None:
    manual = "acme-mail.example"
    stepped.internet.wrong[f"domain/{manual}", "dns.manual"] = MISSING
    domains = [{"name": "acme.example"}, {"name": manual, "dns": "manual"}]
    await stepped.apply(domains=domains, mailboxes=[{"address": f"sales@{manual}"}])
    await stepped.until_quiet()
    [row] = await todo(stepped)
    assert (row["subject"], row["condition"], row["acts"]) == (
        *(f"domain/{manual}", "DnsReady"),
        "user",
    )
    assert (row["message"], row["remedy"]) == (MISSING.shown().message, MISSING.shown().remedy)
    del stepped.internet.wrong[f"domain/{manual}", "dns.manual"]
    await stepped.until_quiet()
    assert await todo(stepped) == []


async def test_failure_is_listed_since_its_first_time_and_without_its_consequences(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    stepped.cloud.failures = [PURCHASE_AMBIGUOUS.shown(), PURCHASE_AMBIGUOUS.shown()]
    await stepped.step()
    [first] = await todo(stepped)
    assert (first["subject"], first["reason"]) == ("tenant", PURCHASE_AMBIGUOUS.reason)
    assert first["remedy"] == PURCHASE_AMBIGUOUS.shown().remedy
    assert first["message"] == PURCHASE_AMBIGUOUS.shown().message
    stepped.clock.advance(minutes=6)
    await stepped.step()
    assert await todo(stepped) == [first]
    assert await todo(stepped, reason="hostwinds.purchase_ambiguous") == [first]
    assert await todo(stepped, reason=PURCHASE_AMBIGUOUS.reason) == [first]
    assert await todo(stepped, reason="hostwinds.pending") == []
    await stepped.until_quiet()
    assert await todo(stepped) == []


async def test_entry_says_whether_the_tenant_goes_on_by_itself_after_it(
    stepped: SteppedReconciler,
) -> None:
    stepped.cloud.account.withheld = {"mx1-2"}
    await stepped.apply()
    await stepped.until_quiet()
    await stepped.apply(domains=[{"name": "acme.example", "dmarc": "reject"}])
    stepped.cloud.failures = [REFUSED.shown()]
    await stepped.step()
    assert {row["reason"]: row["stalls"] for row in await todo(stepped)} == {
        REFUSED.reason: True,
        "WaitingForProvider": False,
    }
    await stepped.api.post("/tenants/acme/retry")
    await stepped.until_quiet()
    assert [row["stalls"] for row in await todo(stepped)] == [False]


async def test_what_is_tried_again_by_itself_is_not_listed(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    stepped.cloud.failures = [CLOUDFLARE_RATE_LIMITED.shown()]
    await stepped.step()
    assert await stepped.condition("InfrastructureReady") == (
        "False",
        CLOUDFLARE_RATE_LIMITED.reason,
    )
    assert await todo(stepped) == []


async def test_failure_of_a_deletion_is_listed(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.until_quiet()
    await stepped.api.delete("/tenants/acme")

    def fail() -> None:
        raise SERVER_LOCKED.shown()

    stepped.points.once("before destroy", fail)
    await stepped.step()
    [row] = await todo(stepped)
    assert (row["subject"], row["reason"]) == ("tenant", SERVER_LOCKED.reason)
    assert row["remedy"] == SERVER_LOCKED.shown().remedy


async def test_server_that_has_ended_is_listed_for_its_host(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.until_quiet()
    [label] = stepped.cloud.account.servers
    stepped.cloud.account.end(label)
    stepped.clock.advance(minutes=11)
    await stepped.step()
    [row] = await todo(stepped)
    assert (row["subject"], row["reason"]) == ("host/mx1", SERVER_GONE.reason)
    assert row["remedy"].startswith(f"run `penguin purchases forget {label}`")


async def test_zone_that_is_missing_is_listed_with_what_waits_for_it(
    stepped: SteppedReconciler,
) -> None:
    stepped.cloud.account.zones = set()
    await stepped.apply()
    await stepped.until_quiet()
    rows = await todo(stepped)
    assert {row["reason"] for row in rows} == {ZONE_NOT_FOUND.reason}
    assert "domain/acme.example" in {row["subject"] for row in rows}


async def test_zone_that_is_not_delegated_is_listed(stepped: SteppedReconciler) -> None:
    stepped.internet.wrong["domain/acme.example", "dns.authoritative"] = NOT_DELEGATED
    await stepped.apply()
    await stepped.until_quiet()
    [row] = await todo(stepped)
    assert row["remedy"] == NOT_DELEGATED.shown().remedy
