"""Passes over a paused tenant: it is observed and maintained, and no change is applied."""

from __future__ import annotations

from functools import partial

from sqlalchemy import text

from controlplane.database import CONTROLLER
from controlplane.verification.faults import DKIM_INVALID
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped

__all__ = ["stepped"]


async def test_paused_tenant_is_observed_and_not_changed(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    before = await stepped.operations()
    await stepped.api.post("/tenants/acme/pause", json={"reason": "migration"})
    await stepped.apply(plan="enterprise")
    for _ in range(2):
        stepped.clock.advance(minutes=11)
        assert await stepped.step()
    assert await stepped.condition("Paused") == ("True", "Paused")
    assert await stepped.operations() == before


async def test_resumed_tenant_gets_the_document_accepted_meanwhile(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.api.post("/tenants/acme/pause", json={"reason": "migration"})
    await stepped.apply(plan="enterprise")
    await stepped.until_quiet(2)
    await stepped.api.post("/tenants/acme/resume", json={"reason": "done"})
    assert await stepped.step()
    assert await stepped.condition("Paused") == ("False", "NotPaused")
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert (await stepped.tenant())["observed_generation"] == 2


async def test_paused_tenant_gets_new_certificates(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    before = await stepped.operations()
    await stepped.api.post("/tenants/acme/pause", json={"reason": "migration"})
    stepped.clock.advance(days=340)
    assert await stepped.step()
    new = (await stepped.operations())[len(before) :]
    assert new == [("make", "succeeded", None), ("configure", "succeeded", None)]
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_paused_tenant_with_a_new_document_is_kept_up_as_it_was_applied(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    before = await stepped.operations()
    await stepped.api.post("/tenants/acme/pause", json={"reason": "migration"})
    await stepped.apply(domains=[{"name": "acme.example"}, {"name": "acme-mail.example"}])
    stepped.clock.advance(days=340)
    assert await stepped.step()
    new = (await stepped.operations())[len(before) :]
    assert new == [("make", "succeeded", None), ("configure", "succeeded", None)]
    assert await stepped.condition("Available") == ("True", "MailFlows")
    assert await stepped.condition("Synced") == ("False", "Paused")
    assert stepped.cloud.ups == 1
    stepped.internet.wrong["domain/acme.example", "dns.authoritative"] = DKIM_INVALID
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    assert await stepped.condition("SendingEnabled") == ("False", "DomainNotVerified")
    assert await stepped.published() == {"acme.example": False}
    stepped.internet.wrong = {}
    await stepped.api.post("/tenants/acme/resume", json={"reason": "done"})
    assert await stepped.step()
    assert await stepped.published() == {"acme.example": True, "acme-mail.example": True}
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_paused_tenants_host_is_not_configured_again(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    before = await stepped.operations()
    await stepped.api.post("/tenants/acme/pause", json={"reason": "migration"})
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.hosts set applied_digest = null"))
    assert await stepped.step()
    assert await stepped.operations() == before
    await stepped.api.post("/tenants/acme/resume", json={"reason": "done"})
    assert await stepped.step()
    assert (await stepped.operations())[len(before) :] == [("configure", "succeeded", None)]


async def test_paused_tenant_is_deleted_after_it_is_resumed(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.api.post("/tenants/acme/pause", json={"reason": "migration"})
    await stepped.api.delete("/tenants/acme")
    for _ in range(2):
        stepped.clock.advance(minutes=11)
        assert await stepped.step()
    assert await stepped.condition("Deleting") == ("True", "Deleting")
    await stepped.api.post("/tenants/acme/resume", json={"reason": "done"})
    assert await stepped.step()
    assert (await stepped.api.get("/tenants/acme")).status_code == 404


async def test_pause_during_a_pass_ends_it_at_its_next_step(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    pause = partial(stepped.api.post, "/tenants/acme/pause", json={"reason": "migration"})
    stepped.meanwhile("dns", pause)
    for _ in range(2):
        assert await stepped.step()
    assert stepped.configurator.runs == []
    assert await stepped.condition("Paused") == ("True", "Paused")
