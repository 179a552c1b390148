"""Faults of the reconciler itself are shown in the tenant's conditions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from psycopg import errors
from sqlalchemy.exc import OperationalError

from controlplane.faults import DATABASE_UNAVAILABLE
from controlplane.reconciler.faults import FAILED, FOREIGN_UPDATE, NOT_GONE, STACK_EMPTY
from hostwinds.faults import PURCHASE_AMBIGUOUS
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows

__all__ = ["stepped"]


async def test_unexpected_error_is_shown_without_its_details(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    stepped.cloud.failures = [ZeroDivisionError("secret detail")]
    await stepped.step()
    shown = await stepped.shown_condition("InfrastructureReady")
    assert_shows(shown, FAILED, what="phase cloud")


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("select 1", {}, errors.AdminShutdown("terminating connection")),
        errors.OperationalError("connection to server at 10.1.2.3 failed"),
    ],
)
async def test_database_that_is_away_is_named_and_logged_in_one_line(
    stepped: SteppedReconciler, error: Exception
) -> None:
    await stepped.apply()
    stepped.cloud.failures = [error]
    with structlog.testing.capture_logs() as logged:
        await stepped.step()
    shown = await stepped.shown_condition("InfrastructureReady")
    assert_shows(shown, DATABASE_UNAVAILABLE)
    assert (await stepped.operations())[-1] == ("create", "failed", DATABASE_UNAVAILABLE.name)
    [line] = [entry for entry in logged if entry["log_level"] in ("warning", "error")]
    assert (line["event"], line["code"]) == ("phase failed", DATABASE_UNAVAILABLE.name)
    assert "exc_info" not in line
    assert "10.1.2.3" not in str(line)


async def test_foreign_blueprint_is_shown_with_its_remedy(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    state = stepped.cloud.state("acme")
    stepped.cloud.stacks["acme"] = replace(state, digest="sha256:3f9a2c11ab7d" + "0" * 52)
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert_shows(await stepped.shown_condition("InfrastructureReady"), FOREIGN_UPDATE)


async def test_stack_that_was_destroyed_by_hand_is_shown_and_bought_again_after_an_apply(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    bought = list(stepped.cloud.account.bought)
    stepped.cloud.destroy("acme", print, deadline=timedelta(minutes=10))
    for _ in range(2):
        stepped.clock.advance(minutes=11)
        await stepped.step()
    assert_shows(await stepped.shown_condition("InfrastructureReady"), STACK_EMPTY)
    assert await stepped.condition("Stalled") == ("True", "CloudStackEmpty")
    assert stepped.cloud.account.bought == bought
    await stepped.apply()
    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert len(stepped.cloud.account.bought) == 2 * len(bought)


async def test_stack_that_is_not_empty_after_its_deletion_is_shown(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.api.delete("/tenants/acme")
    stepped.cloud.ignored_destroys = 1
    await stepped.step()
    assert_shows(await stepped.shown_condition("Reconciling"), NOT_GONE)


async def test_what_a_deletion_waits_for_is_listed_while_it_is_tried_again(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.api.delete("/tenants/acme")

    def fail() -> None:
        raise PURCHASE_AMBIGUOUS.shown()

    stepped.points.once("before destroy", fail)
    await stepped.step()
    listed: list[str] = []

    async def list_all() -> None:
        items = (await stepped.api.get("/todo")).json()["items"]
        listed.extend(item["reason"] for item in items)

    stepped.meanwhile("before destroy", list_all)
    stepped.clock.advance(minutes=6)
    await stepped.step()
    assert listed == [PURCHASE_AMBIGUOUS.reason]
