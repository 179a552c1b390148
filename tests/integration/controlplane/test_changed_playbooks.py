"""What configures hosts was changed: each host is configured once more, and mail continues."""

from __future__ import annotations

from controlplane.ansible.faults import ENGINE_REFUSED, UNREACHABLE
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped

__all__ = ["stepped"]
CONFIGURED = ("configure", "succeeded", None)


async def test_each_host_is_configured_once_more(stepped: SteppedReconciler) -> None:
    await stepped.apply(hosts=[{"name": "mx1"}, {"name": "mx2"}])
    await stepped.step()
    before = await stepped.operations()
    assert sorted(stepped.configurator.runs) == ["mx1", "mx2"]

    stepped.configurator.playbooks = "other playbooks"
    stepped.clock.advance(minutes=11)
    await stepped.step()
    await stepped.until_quiet()

    assert (await stepped.operations())[len(before) :] == [CONFIGURED] * 2
    assert sorted(stepped.configurator.runs) == ["mx1", "mx1", "mx2", "mx2"]
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_host_that_cannot_be_configured_goes_on_sending(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()

    stepped.configurator.playbooks = "other playbooks"
    stepped.configurator.fail_next("mx1", UNREACHABLE(reason="no route", where="host/mx1"))
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    assert await stepped.condition("HostsConfigured") == ("False", "HostsUnreachable")
    assert await stepped.condition("Available") == ("True", "MailFlows")
    assert await stepped.published() == {"acme.example": True}

    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_playbooks_that_are_put_back_need_no_run(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    earlier = stepped.configurator.playbooks

    stepped.configurator.playbooks = "refused"
    stepped.configurator.fail_next("mx1", ENGINE_REFUSED(reason="x"))
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("HostsConfigured") == ("False", "HostsEngineRefused")

    stepped.configurator.playbooks = earlier
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert stepped.configurator.runs == ["mx1"]


async def test_what_a_host_has_refused_is_tried_again_when_it_is_another_one(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()

    stepped.configurator.playbooks = "refused"
    stepped.configurator.fail_next("mx1", ENGINE_REFUSED(reason="x"))
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Stalled") == ("True", "HostsEngineRefused")
    before = await stepped.operations()

    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.operations() == before

    stepped.configurator.playbooks = "refused, too"
    stepped.configurator.fail_next("mx1", ENGINE_REFUSED(reason="x"))
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Stalled") == ("True", "HostsEngineRefused")
    refused = ("configure", "failed", ENGINE_REFUSED.name)
    assert await stepped.operations() == [*before, refused]

    stepped.configurator.playbooks = "other playbooks"
    stepped.clock.advance(minutes=11)
    await stepped.step()
    await stepped.until_quiet()
    assert await stepped.operations() == [*before, refused, CONFIGURED]
    assert await stepped.condition("Stalled") == ("False", "Done")
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_paused_tenants_host_waits_until_a_certificate_is_renewed(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.api.post("/tenants/acme/pause", json={"reason": "migration"})

    stepped.configurator.playbooks = "other playbooks"
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    assert stepped.configurator.runs == ["mx1"]

    stepped.clock.advance(days=340)
    await stepped.step()
    assert stepped.configurator.runs == ["mx1", "mx1"]


async def test_change_that_no_role_reads_configures_no_host(stepped: SteppedReconciler) -> None:
    await stepped.apply(hosts=[{"name": "mx1"}, {"name": "mx2"}])
    await stepped.until_quiet()
    before = (await stepped.api.get("/tenants/acme/blueprint")).json()["digest"]

    await stepped.apply(
        hosts=[{"name": "mx1"}, {"name": "mx2"}],
        domains=[{"name": "acme.example", "dmarc": "reject"}],
        sending={"postal_address": "Acme Inc., Shelbyville"},
    )
    await stepped.until_quiet()

    assert (await stepped.api.get("/tenants/acme/blueprint")).json()["digest"] != before
    assert sorted(stepped.configurator.runs) == ["mx1", "mx2"]
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_mailbox_configures_its_own_host_and_a_domain_all_hosts(
    stepped: SteppedReconciler,
) -> None:
    hosts = [{"name": "mx1"}, {"name": "mx2"}]
    domains = [{"name": "acme.example"}]
    await stepped.apply(hosts=hosts, domains=domains)
    await stepped.until_quiet()
    people = [{"address": "sales@acme.example"}, {"address": "info@acme.example"}]
    await stepped.apply(hosts=hosts, domains=domains, mailboxes=people)
    await stepped.until_quiet()
    own = sorted(stepped.configurator.runs)
    assert own == ["mx1", "mx1", "mx2"]

    await stepped.apply(hosts=hosts, domains=[*domains, {"name": "acme.test"}], mailboxes=people)
    await stepped.until_quiet()
    assert sorted(stepped.configurator.runs) == ["mx1"] * 3 + ["mx2"] * 2
