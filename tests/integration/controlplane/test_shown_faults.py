"""A tenant's conditions and operations, as the API shows them, say what a fault's code says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controlplane.ansible.faults import FAULTS as ANSIBLE
from controlplane.pulumi.faults import FAULTS as PULUMI
from controlplane.reconciler.faults import FAILED, FOREIGN_UPDATE, NOT_GONE
from controlplane.verification.faults import FAULTS as VERIFICATION
from hostwinds.faults import FAULTS as HOSTWINDS
from stacks.faults import FAULTS as STACKS
from tests.integration.controlplane.test_reconciler import World, world
from tests.support.faults import assert_shows

__all__ = ["world"]


async def shown(world: World, type_: str, subject: str = "tenant") -> dict[str, Any]:
    """Return a condition as the API shows it."""
    conditions = (await world.tenant())["conditions"]
    [found] = [c for c in conditions if (c["subject"], c["type"]) == (subject, type_)]
    return dict(found)


async def last_failure(world: World) -> dict[str, Any]:
    """Return the newest operation as the API shows it."""
    return dict((await world.api.get("/tenants/acme/operations")).json()["items"][0])


async def wish(world: World, number: int) -> None:
    """Apply another document, so that what has stalled is tried again."""
    await world.apply(mailboxes=[{"address": f"m{number}@acme.example"}])


async def test_every_fault_of_the_engine_is_shown(world: World) -> None:
    await world.apply()
    for number, code in enumerate((*PULUMI, *HOSTWINDS, *STACKS)):
        await wish(world, number)
        world.cloud.failures = [code.shown().at("stack/acme")]
        world.clock.advance(minutes=6)
        assert await world.step()
        assert_shows(await shown(world, "InfrastructureReady"), code)
        assert_shows(await last_failure(world), code)


async def test_every_fault_of_a_host_is_shown(world: World) -> None:
    await world.apply()
    for number, code in enumerate(ANSIBLE):
        await wish(world, number)
        world.configurator.fail_next(code.shown().at("host/mx1"))
        world.clock.advance(minutes=6)
        assert await world.step()
        assert_shows(await shown(world, "HostsConfigured", "host/mx1"), code)
        assert_shows(await last_failure(world), code)


async def test_everything_wrong_with_a_name_or_port_is_shown(world: World) -> None:
    await world.apply()
    await world.step()
    name, port = ("domain/acme.example", "dns.authoritative"), ("address/mx1-2", "smtp.tls")
    for number, code in enumerate(VERIFICATION):
        is_name = code.name.startswith("dns.")
        subject, check = name if is_name else port
        world.internet.wrong = {(subject, check): code}
        await wish(world, number)
        world.clock.advance(minutes=6)
        assert await world.step()
        assert_shows(await shown(world, "DnsReady" if is_name else "Verified", subject), code)


async def test_failure_of_ours_is_shown_without_its_inside(world: World) -> None:
    await world.apply()
    world.cloud.failures = [ZeroDivisionError("secret detail")]
    await world.step()
    assert_shows(await shown(world, "Reconciling"), FAILED, what=...)


async def test_stack_that_somebody_changed_is_shown_as_drifted(world: World) -> None:
    await world.apply()
    await world.step()
    state = world.cloud.state("acme")
    world.cloud.stacks["acme"] = replace(state, digest="sha256:foreign")
    world.clock.advance(minutes=11)
    await world.step()
    assert_shows(await shown(world, "Stalled"), FOREIGN_UPDATE, digest="sha256:foreign")


async def test_deletion_after_which_something_is_left_is_shown(world: World) -> None:
    await world.apply()
    await world.step()
    await world.api.delete("/tenants/acme")
    world.cloud.destroy = lambda *_, **__: None  # type: ignore[assignment, misc]
    await world.step()
    assert_shows(await shown(world, "Reconciling"), NOT_GONE)
