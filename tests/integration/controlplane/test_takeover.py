"""A process that lost its lease, or its database briefly: nothing is overwritten or lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import CONTROLLER, Database
from controlplane.pulumi.faults import FAILED
from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.phases.keys import Keys, NewSecrets, SecretsRequest, make_secrets
from controlplane.verification.faults import DKIM_INVALID, TLS_FAILED
from kit.database import Role
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.waiting import SECONDS, reached

__all__ = ["stepped"]
DEADLINE = SECONDS


class Unsteady(Database):
    """A database whose next transaction can be made to fail."""

    def __init__(self, real: Database) -> None:
        self._real = real
        self.clock = real.clock
        self.failure: Exception | None = None
        self.failed, self.worked = threading.Event(), threading.Event()

    @asynccontextmanager
    async def begin(
        self, role: Role, *, tenant_id: UUID | None = None
    ) -> AsyncIterator[AsyncConnection]:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            self.failed.set()
            raise failure
        async with self._real.begin(role, tenant_id=tenant_id) as connection:
            yield connection
        if self.failed.is_set():
            self.worked.set()


TAKE_OVER = "update oltp.schedule set token = nextval('oltp.fencing')"


async def execute(stepped: SteppedReconciler, sql: str) -> None:
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text(sql))


async def rows(stepped: SteppedReconciler, sql: str) -> list[Any]:
    async with stepped.database.begin(CONTROLLER) as connection:
        return [tuple(row) for row in await connection.execute(text(sql))]


async def test_keys_of_a_pass_that_lost_its_lease_are_not_written(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()

    def make_and_wait(order: SecretsRequest) -> NewSecrets:
        made = make_secrets(order)
        stepped.points("made")
        return made

    stepped.phases[0] = Keys(make_and_wait)
    stepped.meanwhile("made", partial(execute, stepped, TAKE_OVER))
    await stepped.step()
    assert await rows(stepped, "select purpose from oltp.secrets") == []


async def test_pass_that_lost_its_lease_writes_neither_conditions_nor_hosts(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    stepped.meanwhile("after up", partial(execute, stepped, TAKE_OVER))
    await stepped.step()
    assert await stepped.condition("InfrastructureReady") == ("Unknown", "NotYetReported")
    assert await rows(stepped, "select name from oltp.hosts") == []


async def test_run_that_was_overtaken_configures_nothing_when_it_continues(
    stepped: SteppedReconciler,
) -> None:
    async def overtake() -> None:
        await stepped.end_leases()
        await stepped.apply(mailboxes=[{"address": "later@acme.example"}])
        assert await stepped.step()

    await stepped.apply()
    stepped.meanwhile("configuring mx1", overtake)
    assert await stepped.step()
    assert stepped.configurator.runs == ["mx1"]
    [variables, _] = stepped.configurator.given["mx1"]
    assert "later@acme.example" in variables["inbound"]["mailboxes"]


async def test_aborted_operation_stays_aborted(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    abort = "update oltp.operations set finished_at = now(), outcome = 'aborted'"
    stepped.meanwhile("before up", partial(execute, stepped, abort))
    await stepped.step()
    assert ("create", "aborted", None) in await stepped.operations()


async def test_pass_without_a_lease_does_not_abort_the_operation_of_another_worker(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(
            text(
                "insert into oltp.operations (id, tenant_id, tenant, kind, phase, generation, "
                "process, host, started_at, heartbeat_at) select gen_random_uuid(), id, name, "
                "'create', 'cloud', 1, 1, 'other', now(), now() from oltp.tenants"
            )
        )
    reconciler = stepped.reconciler()
    taken = await reconciler.take("test")
    assert taken is not None
    async with stepped.database.begin(CONTROLLER) as connection:
        await connection.execute(text(TAKE_OVER))
    assert await reconciler.reconcile(taken, asyncio.Event()) is Outcome.LEASE_LOST
    assert await stepped.operations() == [("create", None, None)]


async def test_lease_is_kept_while_the_database_fails_once(stepped: SteppedReconciler) -> None:
    database = Unsteady(stepped.database)
    stepped.settings = stepped.settings.model_copy(update={"lease": timedelta(seconds=3)})
    stepped.reconciler_database = database
    await stepped.apply()

    def fail_once() -> None:
        database.failure = OperationalError("", {}, Exception("gone"))
        assert database.failed.wait(DEADLINE)
        assert database.worked.wait(DEADLINE), "the lease was not extended again"

    stepped.points.once("before up", fail_once)
    await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_silent_operation_has_heartbeats(stepped: SteppedReconciler) -> None:
    stepped.settings = stepped.settings.model_copy(update={"lease": timedelta(seconds=3)})
    await stepped.apply()
    alive = "select 1 from oltp.operations where heartbeat_at > started_at and finished_at is null"

    async def until_alive() -> None:
        stepped.clock.advance(seconds=5)
        await reached(partial(rows, stepped, alive), seconds=DEADLINE)

    stepped.meanwhile("before up", until_alive)
    await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_pass_that_hangs_is_given_up_and_another_follows(stepped: SteppedReconciler) -> None:
    usual = stepped.settings
    stepped.settings = usual.model_copy(update={"silence": timedelta(seconds=10)})
    await stepped.apply()
    ended = threading.Event()
    stepped.points.once("before up", lambda: ended.wait(DEADLINE))
    assert await stepped.step()
    assert (await stepped.operations())[-1] == ("create", None, None)
    stepped.settings = usual
    stepped.clock.advance(minutes=6)
    assert await stepped.step()
    ended.set()
    assert ("create", "aborted", "operation.ended") in await stepped.operations()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert len(stepped.cloud.account.bought) == 1


async def test_look_that_hangs_is_given_up_earlier_than_an_operation(
    stepped: SteppedReconciler,
) -> None:
    stepped.settings = stepped.settings.model_copy(update={"look_silence": timedelta(seconds=10)})
    await stepped.apply()
    ended = threading.Event()
    stepped.points.once("verification", lambda: ended.wait(DEADLINE))
    assert await stepped.step()
    ended.set()
    assert (await stepped.condition("Verified"))[0] == "Unknown"
    stepped.clock.advance(minutes=6)
    assert await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")


@pytest.mark.parametrize(
    "failure", [OperationalError("", {}, Exception()), InternalError("", {}, Exception())]
)
async def test_worker_goes_on_after_the_database_failed(
    stepped: SteppedReconciler, failure: Exception
) -> None:
    database, stop = Unsteady(stepped.database), asyncio.Event()
    database.failure = failure
    stepped.settings = stepped.settings.model_copy(update={"poll": timedelta(seconds=0.01)})
    stepped.reconciler_database = database
    await stepped.apply()

    async def stop_reconciler() -> None:
        stop.set()

    stepped.meanwhile("verification", stop_reconciler)
    await asyncio.wait_for(stepped.reconciler().run(stop), DEADLINE)
    assert database.failed.is_set()
    assert len(stepped.cloud.account.bought) == 1


async def test_operation_log_goes_on_after_lines_that_could_not_be_written(
    stepped: SteppedReconciler,
) -> None:
    database = Unsteady(stepped.database)
    stepped.reconciler_database = database
    await stepped.apply()
    stepped.cloud.lines = ["half \ud800 and NUL \0", "the last one"]

    def fail_once() -> None:
        database.failure = OperationalError("", {}, Exception("gone"))

    stepped.points.once("before up", fail_once)
    stepped.points.once("bought", lambda: database.failed.wait(DEADLINE))
    await stepped.step()
    assert database.failed.is_set()
    assert await stepped.condition("Ready") == ("True", "Ready")
    lines = [line for (line,) in await rows(stepped, "select line from oltp.operation_lines")]
    assert {"half ? and NUL ?", "the last one"} <= set(lines)


async def test_text_that_the_database_cannot_hold_is_replaced(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    stepped.cloud.failures = [FAILED(reason="answered \ud800\0")]
    await stepped.step()
    assert await stepped.condition("InfrastructureReady") == ("False", "CloudFailed")
    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")


class TestForeignUpdates:
    async def drift(self, stepped: SteppedReconciler) -> None:
        await stepped.apply()
        await stepped.step()
        state = stepped.cloud.state("acme")
        stepped.cloud.stacks["acme"] = replace(state, digest="sha256:foreign")

    async def test_foreign_stack_is_destroyed_only_after_a_second_delete(
        self, stepped: SteppedReconciler
    ) -> None:
        await self.drift(stepped)
        await stepped.api.delete("/tenants/acme")
        await stepped.step()
        assert stepped.cloud.state("acme").digest == "sha256:foreign"
        assert await stepped.condition("Drifted") == ("True", "ForeignUpdate")
        assert await stepped.condition("Stalled") == ("True", "CloudForeignUpdate")
        stepped.clock.advance(days=1)
        await stepped.step()
        assert stepped.cloud.state("acme").digest == "sha256:foreign"
        await stepped.api.delete("/tenants/acme")
        await stepped.step()
        assert (await stepped.api.get("/tenants/acme")).status_code == 404
        assert stepped.cloud.state("acme").digest is None

    async def test_stalled_deletion_is_observed_and_removes_nothing(
        self, stepped: SteppedReconciler
    ) -> None:
        await self.drift(stepped)
        restored = replace(
            stepped.cloud.state("acme"), digest=(await self.blueprint(stepped))["digest"]
        )
        await stepped.api.delete("/tenants/acme")
        await stepped.step()
        before = await stepped.operations()
        assert await stepped.condition("Stalled") == ("True", "CloudForeignUpdate")
        assert await stepped.condition("SendingEnabled") == ("False", "Deleting")
        stepped.internet.wrong["domain/acme.example", "dns.authoritative"] = DKIM_INVALID
        stepped.cloud.stacks["acme"] = restored
        stepped.clock.advance(minutes=11)
        assert await stepped.step()
        assert await stepped.condition("Drifted") == ("True", "ChangedOutside"), "of the record"
        assert await stepped.condition("DnsReady") == ("False", "DnsDkimInvalid")
        assert await stepped.condition("SendingEnabled") == ("False", "Deleting")
        assert await stepped.condition("Stalled") == ("True", "CloudForeignUpdate")
        assert await stepped.operations() == before
        assert await rows(stepped, "select tenant_id from directory.entries") == []
        await stepped.api.delete("/tenants/acme")
        await stepped.step()
        assert (await stepped.api.get("/tenants/acme")).status_code == 404

    async def test_stack_restored_by_hand_is_no_drift(self, stepped: SteppedReconciler) -> None:
        await self.drift(stepped)
        restored = replace(
            stepped.cloud.state("acme"), digest=(await self.blueprint(stepped))["digest"]
        )
        stepped.clock.advance(minutes=11)
        await stepped.step()
        assert await stepped.condition("Drifted") == ("True", "ForeignUpdate")
        stepped.cloud.stacks["acme"] = restored
        async with stepped.database.begin(CONTROLLER) as connection:
            await connection.execute(text("update oltp.schedule set due_at = '2000-01-01'"))
        await stepped.step()
        assert await stepped.condition("Drifted") == ("False", "AsApplied")
        assert (await stepped.apply()).headers["Penguin-Outcome"] == "unchanged"

    async def test_apply_over_a_foreign_stack_is_tried_again_after_a_failure(
        self, stepped: SteppedReconciler
    ) -> None:
        await self.drift(stepped)
        stepped.clock.advance(minutes=11)
        await stepped.step()
        await stepped.apply()
        stepped.cloud.failures = [FAILED.shown()]
        await stepped.step()
        assert await stepped.condition("Stalled") == ("False", "Progressing")
        await stepped.until_quiet()
        assert await stepped.condition("Ready") == ("True", "Ready")
        assert await stepped.condition("Drifted") == ("False", "AsApplied")

    async def blueprint(self, stepped: SteppedReconciler) -> dict[str, Any]:
        return dict((await stepped.api.get("/tenants/acme/blueprint")).json())


async def test_deletion_with_an_unexpected_error_is_reported_and_tried_again(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.api.delete("/tenants/acme")

    def fail() -> None:
        raise ZeroDivisionError

    stepped.points.once("before destroy", fail)
    await stepped.step()
    assert await stepped.condition("Reconciling") == ("True", "ReconcilerFailed")
    await stepped.until_quiet()
    assert (await stepped.api.get("/tenants/acme")).status_code == 404


async def test_host_with_one_wrong_address_is_not_verified(stepped: SteppedReconciler) -> None:
    stepped.internet.wrong["address/mx1-2", "smtp.tls"] = TLS_FAILED
    await stepped.apply()
    await stepped.step()
    assert await stepped.condition("Verified", "host/mx1") == ("False", "SmtpTlsFailed")
    assert await stepped.condition("Verified", "address/mx1-1") == ("True", "Verified")
