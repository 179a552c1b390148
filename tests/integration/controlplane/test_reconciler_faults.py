"""What the reconciler itself reports is shown in the tenant's conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controlplane.reconciler.faults import FAILED, FOREIGN_UPDATE, NOT_GONE
from tests.integration.controlplane.stepped_reconciler import World, world
from tests.support.faults import assert_shows

__all__ = ["world"]


async def condition(world: World, type_: str) -> dict[str, Any]:
    conditions = (await world.tenant())["conditions"]
    [found] = [c for c in conditions if (c["subject"], c["type"]) == ("tenant", type_)]
    return dict(found)


async def test_unexpected_error_is_shown_without_its_details(world: World) -> None:
    await world.apply()
    world.cloud.failures = [ZeroDivisionError("secret detail")]
    await world.step()
    shown = await condition(world, "InfrastructureReady")
    assert_shows(shown, FAILED, what="phase cloud")


async def test_foreign_blueprint_is_shown_with_its_remedy(world: World) -> None:
    await world.apply()
    await world.step()
    state = world.cloud.state("acme")
    world.cloud.stacks["acme"] = replace(state, digest="sha256:3f9a2c11ab7d" + "0" * 52)
    world.clock.advance(minutes=11)
    await world.step()
    assert_shows(await condition(world, "InfrastructureReady"), FOREIGN_UPDATE)


async def test_stack_that_is_not_empty_after_its_deletion_is_shown(world: World) -> None:
    await world.apply()
    await world.step()
    await world.api.delete("/tenants/acme")
    world.cloud.keeps_after_destroy = 1
    await world.step()
    assert_shows(await condition(world, "Reconciling"), NOT_GONE)
