"""Operations, their lines and events are dropped after a time; what is still needed is kept."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from controlplane.database import CONTROLLER
from controlplane.events.repository import emit
from controlplane.reconciler import history
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped

__all__ = ["stepped"]


async def values(stepped: SteppedReconciler, sql: str) -> list[Any]:
    async with stepped.database.begin(CONTROLLER) as connection:
        return list(await connection.scalars(text(sql)))


async def drop(stepped: SteppedReconciler, page: int = history.PAGE) -> None:
    await history.drop(stepped.database, stepped.settings, now=stepped.clock(), page=page)


@pytest.fixture
async def old(stepped: SteppedReconciler) -> SteppedReconciler:
    """A tenant that was created 91 days ago, and changed now."""
    stepped.cloud.lines = ["mx1: creating"]
    await stepped.apply()
    assert await stepped.step()
    stepped.clock.advance(days=91)
    await stepped.apply(domains=[{"name": "acme.example", "dmarc": "reject"}])
    stepped.cloud.lines = ["mx1: updating"]
    assert await stepped.step()
    return stepped


@pytest.mark.parametrize("page", [1, 1000])
async def test_old_operations_are_dropped_but_for_the_last_of_each_phase(
    old: SteppedReconciler, page: int
) -> None:
    kinds = [kind for kind, _, _ in await old.operations()]
    assert "create" in kinds
    await drop(old, page)
    left = "select phase || ' ' || kind from oltp.operations where phase = 'cloud'"
    assert await values(old, left) == ["cloud update"]
    lines = "select line from oltp.operation_lines where line like 'mx1: %ating'"
    assert await values(old, lines) == ["mx1: updating"]
    phases = "select distinct phase from oltp.operations order by phase"
    assert await values(old, phases) == ["cloud", "configuration", "keys"]
    ups = old.cloud.ups
    old.clock.advance(minutes=11)
    assert await old.step()
    assert old.cloud.ups == ups, "what was applied last is still known"


async def test_old_events_are_dropped_and_those_of_people_later(old: SteppedReconciler) -> None:
    by_people = "select reason from oltp.events where actor is not null order by id"
    by_passes = "select reason from oltp.events where actor is null"
    assert (await old.api.post("/tenants/acme/pause", json={"reason": "audit"})).is_success
    people = await values(old, by_people)
    assert people
    old.clock.advance(days=91)
    async with old.database.begin(CONTROLLER) as connection:
        await emit(
            connection,
            tenant_id=None,
            tenant=None,
            at=old.clock(),
            subject="platform",
            kind="mail",
            reason="Recent",
            message="",
        )
    assert len(await values(old, by_passes)) > 1
    await drop(old)
    assert await values(old, by_passes) == ["Recent"]
    assert await values(old, by_people) == people
    old.clock.advance(days=8 * 365)
    await drop(old)
    assert await values(old, "select reason from oltp.events") == []


async def test_all_operations_of_a_deleted_tenant_are_dropped(old: SteppedReconciler) -> None:
    await old.api.delete("/tenants/acme")
    await old.until_quiet()
    await drop(old)
    assert await values(old, "select kind from oltp.operations") != []
    old.clock.advance(days=91)
    await drop(old)
    assert await values(old, "select kind from oltp.operations") == []
