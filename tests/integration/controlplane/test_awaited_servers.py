"""While the provider creates a server its tenant waits as a row: no engine runs meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from blueprint.naming import server_name
from controlplane.reconciler.awaiting import PROVISIONING
from controlplane.reconciler.sweep import Sweep
from hostwinds.faults import NOT_ACTIVE
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.installation import INSTALLATION

__all__ = ["stepped"]
LABEL = server_name(INSTALLATION, "acme", "mx1", 1)
WAITING = ("False", "WaitingForProvider")


@pytest.fixture
async def ordered(stepped: SteppedReconciler) -> SteppedReconciler:
    """A tenant whose server is ordered."""
    stepped.cloud.account.is_slow = True
    await stepped.apply()
    assert await stepped.step()
    assert stepped.cloud.account.bought == [LABEL]
    return stepped


@pytest.fixture
def sweep(stepped: SteppedReconciler) -> Sweep:
    """A sweep whose every look is due."""
    return Sweep(stepped.database, stepped.cloud.account, stepped.clock, pause=timedelta(0))


async def test_tenant_whose_server_is_created_says_so_and_runs_no_engine(
    ordered: SteppedReconciler, sweep: Sweep
) -> None:
    condition = await ordered.shown_condition("InfrastructureReady", "host/mx1")
    assert (condition["status"], condition["reason"]) == WAITING
    assert LABEL in condition["message"]
    assert await ordered.condition("Reconciling") == ("True", "WaitingForProvider")
    assert (await ordered.condition("Stalled"))[0] == "False"
    await sweep.look()
    assert not await ordered.step(), "it is not due"
    ordered.clock.advance(minutes=11)
    assert await ordered.step(), "its regular look"
    assert ordered.cloud.ups == 1
    kinds = [kind for kind, _, _ in await ordered.operations()]
    assert kinds == ["make", "create"]


async def test_sweep_that_shows_the_server_active_wakes_its_tenant(
    ordered: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    ordered.cloud.account.finish(LABEL)
    await sweep.look()
    assert await ordered.step()
    assert ordered.cloud.ups == 2
    await ordered.until_quiet()
    assert await ordered.condition("Ready") == ("True", "Ready")
    assert ordered.cloud.account.bought == [LABEL]
    await sweep.look()  # shows the further address, too
    await ordered.until_quiet()
    await sweep.look()
    assert not await ordered.step(), "nothing is waited for any more"
    assert ordered.cloud.ups == 2


async def test_engine_looks_itself_when_the_server_takes_too_long(
    ordered: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    ordered.cloud.failures = [NOT_ACTIVE.shown()]
    ordered.clock.advance(minutes=10)
    assert await ordered.step()
    assert len(ordered.cloud.failures) == 1
    ordered.clock.advance(seconds=(PROVISIONING - timedelta(minutes=10)).total_seconds())
    assert await ordered.step()
    assert ordered.cloud.failures == []
    assert await ordered.condition("Reconciling") == ("True", NOT_ACTIVE.reason)
    assert await ordered.condition("InfrastructureReady", "host/mx1") == (
        "False",
        NOT_ACTIVE.reason,
    )


async def test_new_document_is_applied_while_a_server_is_created(
    ordered: SteppedReconciler,
) -> None:
    await ordered.apply(hosts=[{"name": "mx1", "size": "business", "addresses": 1}])
    assert await ordered.step()
    assert ordered.cloud.ups == 2
    assert await ordered.condition("InfrastructureReady", "host/mx1") == WAITING


async def test_tenant_that_waits_for_the_portal_runs_no_engine_before_a_listing_shows_an_address(
    stepped: SteppedReconciler, sweep: Sweep
) -> None:
    account = stepped.cloud.account
    account.sells = False
    await stepped.apply()
    assert await stepped.step()
    await sweep.look()
    stepped.clock.advance(minutes=11)
    assert await stepped.step(), "its regular look"
    assert stepped.cloud.ups == 1
    account.sell_address(LABEL)
    await sweep.look()
    assert await stepped.step()
    assert stepped.cloud.ups == 2
    assert await stepped.condition("Ready", "address/mx1-2") == ("True", "Ready")
    await sweep.look()
    assert not await stepped.step(), "adoption is no further address"


async def test_engine_looks_for_an_address_from_time_to_time_without_a_listing(
    stepped: SteppedReconciler,
) -> None:
    account = stepped.cloud.account
    account.sells = False
    await stepped.apply()
    assert await stepped.step()
    account.sell_address(LABEL)
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    assert stepped.cloud.ups == 1
    stepped.clock.advance(minutes=20)
    assert await stepped.step()
    assert stepped.cloud.ups == 2
