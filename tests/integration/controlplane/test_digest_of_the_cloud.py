"""Which changes of a document run the engine."""

from __future__ import annotations

from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped

__all__ = ["stepped"]


async def test_change_that_concerns_no_provider_runs_no_engine(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    before = stepped.cloud.state("acme")
    for edit in (
        {"plan": "enterprise"},
        {"mailboxes": [{"address": "a@acme.example", "daily_cap": 20}]},
        {"sending": {"postal_address": "Acme Inc., Shelbyville"}},
        {"repair": "never"},
    ):
        await stepped.apply(**edit)
        await stepped.until_quiet()
        assert await stepped.condition("Synced") == ("True", "Applied")
    tenant = await stepped.tenant()
    assert tenant["generation"] == tenant["observed_generation"] == 5
    assert (stepped.cloud.ups, stepped.cloud.state("acme")) == (1, before)
    assert await stepped.condition("Drifted") == ("False", "AsApplied")
    await stepped.apply(domains=[{"name": "acme.example", "dmarc": "reject"}])
    await stepped.until_quiet()
    assert stepped.cloud.ups == 2
