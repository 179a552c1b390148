"""A process that lost its tenant, or its database for a moment: nothing is overwritten or lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import CONTROLLER, Database
from controlplane.pulumi.faults import FAILED
from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.phases.keys import Keys, Made, Order, make_secrets
from controlplane.reconciler.ports import CloudState
from controlplane.schedule.repository import claim
from controlplane.verification.faults import MISSING, TLS_FAILED
from tests.integration.controlplane.stepped_reconciler import World, world

__all__ = ["world"]
DEADLINE = 30


class Unsteady(Database):
    """A database that can be away."""

    def __init__(self, real: Database) -> None:
        self._real = real
        self.failure: Exception | None = None
        self.failed, self.worked = threading.Event(), threading.Event()

    @asynccontextmanager
    async def begin(
        self, role: str, *, tenant_id: UUID | None = None
    ) -> AsyncIterator[AsyncConnection]:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            self.failed.set()
            raise failure
        async with self._real.begin(role, tenant_id=tenant_id) as connection:
            yield connection
        if self.failed.is_set():
            self.worked.set()


def in_a_transaction(world: World, sql: str) -> Callable[[], None]:
    """Return a function for any thread that runs one statement."""
    running = asyncio.get_running_loop()

    async def run() -> None:
        async with world.database.begin(CONTROLLER) as connection:
            await connection.execute(text(sql))

    return lambda: asyncio.run_coroutine_threadsafe(run(), running).result(timeout=DEADLINE)


TAKE_OVER = "update oltp.schedule set token = nextval('oltp.fencing')"


async def rows(world: World, sql: str) -> list[Any]:
    async with world.database.begin(CONTROLLER) as connection:
        return [tuple(row) for row in await connection.execute(text(sql))]


async def test_keys_of_a_pass_that_lost_its_lease_are_not_written(
    world: World,
) -> None:
    await world.apply()
    take_over = in_a_transaction(world, TAKE_OVER)

    def slow(order: Order) -> Made:
        made = make_secrets(order)
        take_over()
        return made

    world.phases[0] = Keys(slow)
    await world.step()
    assert await rows(world, "select purpose from oltp.secrets") == []


async def test_pass_that_lost_its_lease_writes_neither_conditions_nor_hosts(world: World) -> None:
    await world.apply()
    take_over, up = in_a_transaction(world, TAKE_OVER), world.cloud.up

    def slow(*args: Any, **kwargs: Any) -> CloudState:
        state = up(*args, **kwargs)
        take_over()
        return state

    world.cloud.up = slow  # type: ignore[method-assign]
    await world.step()
    assert await world.condition("InfrastructureReady") == ("Unknown", "NotYetReported")
    assert await rows(world, "select name from oltp.hosts") == []


async def test_aborted_operation_stays_aborted(world: World) -> None:
    await world.apply()
    abort = in_a_transaction(
        world, "update oltp.operations set finished_at = now(), outcome = 'aborted'"
    )
    up = world.cloud.up

    def slow(*args: Any, **kwargs: Any) -> CloudState:
        abort()
        return up(*args, **kwargs)

    world.cloud.up = slow  # type: ignore[method-assign]
    await world.step()
    assert ("create", "aborted", None) in await world.operations()


async def test_pass_without_a_lease_does_not_abort_the_operation_of_another_worker(
    world: World,
) -> None:
    await world.apply()
    async with world.database.begin(CONTROLLER) as connection:
        lease = await claim(connection, owner="test", now=world.clock(), lease=world.settings.lease)
    assert lease is not None
    async with world.database.begin(CONTROLLER) as connection:
        await connection.execute(text(TAKE_OVER))
        await connection.execute(
            text(
                "insert into oltp.operations (id, tenant_id, tenant, kind, phase, generation, "
                "process, host, started_at, heartbeat_at) select gen_random_uuid(), id, name, "
                "'create', 'cloud', 1, 1, 'other', now(), now() from oltp.tenants"
            )
        )
    assert await world.reconciler().reconcile(lease, asyncio.Event()) is Outcome.LEFT
    assert await world.operations() == [("create", None, None)]


async def test_lease_is_kept_while_the_database_fails_once(world: World) -> None:
    database = Unsteady(world.database)
    world.settings = world.settings.model_copy(update={"lease": timedelta(seconds=0.6)})
    world.used = database
    await world.apply()
    up = world.cloud.up

    def long(*args: Any, **kwargs: Any) -> CloudState:
        database.failure = OperationalError("", {}, Exception("gone"))
        assert database.failed.wait(DEADLINE)
        assert database.worked.wait(DEADLINE), "the lease was not extended again"
        return up(*args, **kwargs)

    world.cloud.up = long  # type: ignore[method-assign]
    await world.step()
    assert await world.condition("Ready") == ("True", "Ready")


async def test_silent_operation_has_heartbeats(world: World) -> None:
    world.settings = world.settings.model_copy(update={"lease": timedelta(seconds=0.6)})
    await world.apply()
    up, running = world.cloud.up, asyncio.get_running_loop()
    alive = "select 1 from oltp.operations where heartbeat_at > started_at and finished_at is null"

    async def beats() -> None:
        async with asyncio.timeout(DEADLINE):
            while not await rows(world, alive):
                pass

    def silent(*args: Any, **kwargs: Any) -> CloudState:
        world.clock.advance(seconds=5)
        asyncio.run_coroutine_threadsafe(beats(), running).result()
        return up(*args, **kwargs)

    world.cloud.up = silent  # type: ignore[method-assign]
    await world.step()
    assert await world.condition("Ready") == ("True", "Ready")


@pytest.mark.parametrize(
    "failure", [OperationalError("", {}, Exception()), InternalError("", {}, Exception())]
)
async def test_worker_goes_on_after_the_database_failed(world: World, failure: Exception) -> None:
    database, stop = Unsteady(world.database), asyncio.Event()
    database.failure = failure
    world.settings = world.settings.model_copy(update={"poll": timedelta(seconds=0.01)})
    world.used = database
    await world.apply()
    verify = world.internet.verify_hosts

    async def verify_and_end(*args: Any, **kwargs: Any) -> Any:
        stop.set()
        return await verify(*args, **kwargs)

    world.internet.verify_hosts = verify_and_end  # type: ignore[method-assign]
    await asyncio.wait_for(world.reconciler().run(stop), DEADLINE)
    assert database.failed.is_set()
    assert len(world.cloud.account.bought) == 1


async def test_operation_log_goes_on_after_lines_that_could_not_be_written(world: World) -> None:
    database = Unsteady(world.database)
    world.used = database
    await world.apply()
    up = world.cloud.up

    def talkative(blueprint: Any, progress: Any, **kwargs: Any) -> CloudState:
        database.failure = OperationalError("", {}, Exception("gone"))
        progress("lost")
        assert database.failed.wait(DEADLINE)
        progress("half \ud800 and NUL \0")
        return up(blueprint, progress, **kwargs)

    world.cloud.up = talkative  # type: ignore[method-assign]
    await world.step()
    assert await world.condition("Ready") == ("True", "Ready")
    lines = [line for (line,) in await rows(world, "select line from oltp.operation_lines")]
    assert "half ? and NUL ?" in lines
    assert "is listed" in " ".join(lines)


async def test_text_that_the_database_cannot_hold_is_replaced(world: World) -> None:
    await world.apply()
    world.cloud.failures = [FAILED(reason="answered \ud800\0")]
    await world.step()
    assert await world.condition("InfrastructureReady") == ("False", "CloudFailed")
    await world.until_quiet()
    assert await world.condition("Ready") == ("True", "Ready")


class TestForeignUpdates:
    async def drift(self, world: World) -> None:
        await world.apply()
        await world.step()
        state = world.cloud.state("acme")
        world.cloud.stacks["acme"] = replace(state, digest="sha256:foreign")

    async def test_foreign_stack_is_destroyed_only_after_a_second_delete(
        self, world: World
    ) -> None:
        await self.drift(world)
        await world.api.delete("/tenants/acme")
        await world.step()
        assert world.cloud.state("acme").digest == "sha256:foreign"
        assert await world.condition("Drifted") == ("True", "ForeignUpdate")
        assert await world.condition("Stalled") == ("True", "CloudForeignUpdate")
        world.clock.advance(days=1)
        await world.step()
        assert world.cloud.state("acme").digest == "sha256:foreign"
        await world.api.delete("/tenants/acme")
        await world.step()
        assert (await world.api.get("/tenants/acme")).status_code == 404
        assert world.cloud.state("acme").digest is None

    async def test_stalled_deletion_is_observed_and_removes_nothing(self, world: World) -> None:
        await self.drift(world)
        ours = replace(world.cloud.state("acme"), digest=(await self.blueprint(world))["digest"])
        await world.api.delete("/tenants/acme")
        await world.step()
        before = await world.operations()
        assert await world.condition("Stalled") == ("True", "CloudForeignUpdate")
        assert await world.condition("SendingEnabled") == ("False", "Deleting")
        world.internet.wrong["domain/acme.example", "dns.authoritative"] = MISSING
        world.cloud.stacks["acme"] = ours
        world.clock.advance(minutes=11)
        assert await world.step()
        assert await world.condition("Drifted") == ("False", "AsApplied")
        assert await world.condition("DnsReady") == ("False", "DnsMissing")
        assert await world.condition("SendingEnabled") == ("False", "Deleting")
        assert await world.condition("Stalled") == ("True", "CloudForeignUpdate")
        assert await world.operations() == before
        assert await rows(world, "select tenant_id from directory.entries") == []
        await world.api.delete("/tenants/acme")
        await world.step()
        assert (await world.api.get("/tenants/acme")).status_code == 404

    async def test_stack_restored_by_hand_is_no_drift(self, world: World) -> None:
        await self.drift(world)
        right = replace(world.cloud.state("acme"), digest=(await self.blueprint(world))["digest"])
        world.clock.advance(minutes=11)
        await world.step()
        assert await world.condition("Drifted") == ("True", "ForeignUpdate")
        world.cloud.stacks["acme"] = right
        async with world.database.begin(CONTROLLER) as connection:
            await connection.execute(text("update oltp.schedule set due_at = '2000-01-01'"))
        await world.step()
        assert await world.condition("Drifted") == ("False", "AsApplied")
        assert (await world.apply()).headers["Penguin-Outcome"] == "unchanged"

    async def test_apply_over_a_foreign_stack_is_tried_again_after_a_failure(
        self, world: World
    ) -> None:
        await self.drift(world)
        world.clock.advance(minutes=11)
        await world.step()
        await world.apply()
        world.cloud.failures = [FAILED.shown()]
        await world.step()
        assert await world.condition("Stalled") == ("False", "Progressing")
        await world.until_quiet()
        assert await world.condition("Ready") == ("True", "Ready")
        assert await world.condition("Drifted") == ("False", "AsApplied")

    async def blueprint(self, world: World) -> dict[str, Any]:
        return dict((await world.api.get("/tenants/acme/blueprint")).json())


async def test_deletion_with_an_unexpected_error_is_reported_and_tried_again(world: World) -> None:
    await world.apply()
    await world.step()
    await world.api.delete("/tenants/acme")

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    destroy, world.cloud.destroy = world.cloud.destroy, broken  # type: ignore[method-assign]
    await world.step()
    assert await world.condition("Reconciling") == ("True", "ReconcilerFailed")
    world.cloud.destroy = destroy  # type: ignore[method-assign]
    await world.until_quiet()
    assert (await world.api.get("/tenants/acme")).status_code == 404


async def test_host_with_one_wrong_address_is_not_verified(world: World) -> None:
    world.internet.wrong["address/mx1-2", "smtp.tls"] = TLS_FAILED
    await world.apply()
    await world.step()
    assert await world.condition("Verified", "host/mx1") == ("False", "SmtpTlsFailed")
    assert await world.condition("Verified", "address/mx1-1") == ("True", "Verified")
