"""Passes over a paused tenant: it is observed and kept up, and nothing is changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from controlplane.database import CONTROLLER
from controlplane.verification.faults import MISSING
from tests.integration.controlplane.stepped_reconciler import World, world

__all__ = ["world"]


async def test_paused_tenant_is_observed_and_not_changed(world: World) -> None:
    await world.apply()
    await world.step()
    before = await world.operations()
    await world.api.post("/tenants/acme/pause", json={"reason": "migration"})
    await world.apply(plan="enterprise")
    for _ in range(2):
        world.clock.advance(minutes=11)
        assert await world.step()
    assert await world.condition("Paused") == ("True", "Paused")
    assert await world.operations() == before


async def test_resumed_tenant_gets_the_document_accepted_meanwhile(world: World) -> None:
    await world.apply()
    await world.step()
    await world.api.post("/tenants/acme/pause", json={"reason": "migration"})
    await world.apply(plan="enterprise")
    await world.until_quiet(2)
    await world.api.post("/tenants/acme/resume", json={"reason": "done"})
    assert await world.step()
    assert await world.condition("Paused") == ("False", "NotPaused")
    assert await world.condition("Ready") == ("True", "Ready")
    assert (await world.tenant())["observed_generation"] == 2


async def test_paused_tenant_gets_new_certificates(world: World) -> None:
    await world.apply()
    await world.step()
    before = await world.operations()
    await world.api.post("/tenants/acme/pause", json={"reason": "migration"})
    world.clock.advance(days=340)
    assert await world.step()
    new = (await world.operations())[len(before) :]
    assert new == [("make", "succeeded", None), ("configure", "succeeded", None)]
    assert await world.condition("Ready") == ("True", "Ready")


async def test_paused_tenant_with_a_new_document_is_kept_up_as_it_was_applied(world: World) -> None:
    await world.apply()
    await world.step()
    before = await world.operations()
    await world.api.post("/tenants/acme/pause", json={"reason": "migration"})
    await world.apply(domains=[{"name": "acme.example"}, {"name": "acme-mail.example"}])
    world.clock.advance(days=340)
    assert await world.step()
    new = (await world.operations())[len(before) :]
    assert new == [("make", "succeeded", None), ("configure", "succeeded", None)]
    assert await world.condition("Available") == ("True", "MailFlows")
    assert await world.condition("Synced") == ("False", "Paused")
    assert world.cloud.ups == 1
    world.internet.wrong["domain/acme.example", "dns.authoritative"] = MISSING
    world.clock.advance(minutes=11)
    assert await world.step()
    assert await world.condition("SendingEnabled") == ("False", "DomainNotVerified")
    assert await world.published() == {"acme.example": False}
    world.internet.wrong = {}
    await world.api.post("/tenants/acme/resume", json={"reason": "done"})
    assert await world.step()
    assert await world.published() == {"acme.example": True, "acme-mail.example": True}
    assert await world.condition("Ready") == ("True", "Ready")


async def test_paused_tenants_host_is_not_configured_again(world: World) -> None:
    await world.apply()
    await world.step()
    before = await world.operations()
    await world.api.post("/tenants/acme/pause", json={"reason": "migration"})
    async with world.database.begin(CONTROLLER) as connection:
        await connection.execute(text("update oltp.hosts set applied_digest = null"))
    assert await world.step()
    assert await world.operations() == before
    await world.api.post("/tenants/acme/resume", json={"reason": "done"})
    assert await world.step()
    assert (await world.operations())[len(before) :] == [("configure", "succeeded", None)]


async def test_paused_tenant_is_deleted_after_it_is_resumed(world: World) -> None:
    await world.apply()
    await world.step()
    await world.api.post("/tenants/acme/pause", json={"reason": "migration"})
    await world.api.delete("/tenants/acme")
    for _ in range(2):
        world.clock.advance(minutes=11)
        assert await world.step()
    assert await world.condition("Deleting") == ("True", "Deleting")
    await world.api.post("/tenants/acme/resume", json={"reason": "done"})
    assert await world.step()
    assert (await world.api.get("/tenants/acme")).status_code == 404


async def test_pause_during_a_pass_ends_it_at_its_next_step(world: World) -> None:
    await world.apply()
    verify = world.internet.verify_dns

    async def paused(*args: Any) -> Any:
        await world.api.post("/tenants/acme/pause", json={"reason": "migration"})
        return await verify(*args)

    world.internet.verify_dns = paused  # type: ignore[method-assign]
    for _ in range(2):
        assert await world.step()
    assert world.configurator.runs == []
    assert await world.condition("Paused") == ("True", "Paused")
