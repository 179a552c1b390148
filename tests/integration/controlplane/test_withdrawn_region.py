"""A region that the operator withdraws takes no new servers; what is in it goes on."""

from __future__ import annotations

from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.installation import PLATFORM

__all__ = ["stepped"]


async def test_tenant_of_a_withdrawn_region_stays_ready_and_can_be_deleted(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    assert await stepped.step()
    stepped.platform = PLATFORM.model_copy(update={"locations": {}})
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert len(stepped.cloud.account.servers) == 1
    await stepped.api.delete("/tenants/acme")
    await stepped.until_quiet()
    assert (await stepped.api.get("/tenants/acme")).status_code == 404
    assert stepped.cloud.account.servers == {}
