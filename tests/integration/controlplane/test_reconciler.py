"""Passes on a real database, with all external systems in memory."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import text

from controlplane.ansible.faults import UNREACHABLE
from controlplane.database import CONTROLLER
from controlplane.pulumi.faults import FAILED
from controlplane.reconciler.ports import CloudState
from controlplane.verification.faults import TLS_FAILED
from controlplane.verification.outbound.faults import OUTBOUND_UNREAD
from hostwinds.faults import VANISHED
from stacks.faults import CLOUDFLARE_UNAUTHORIZED
from tests.integration.controlplane.conftest import document
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.points import Killed, killed
from tests.support.waiting import SECONDS

__all__ = ["stepped"]


async def test_pass_over_a_new_tenant_makes_it_ready(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    assert await stepped.step()
    tenant = await stepped.tenant()
    assert {c["type"]: c["status"] for c in tenant["conditions"] if c["subject"] == "tenant"} == {
        "Ready": "True",
        "Available": "True",
        "Synced": "True",
        "KeysReady": "True",
        "InfrastructureReady": "True",
        "Drained": "True",
        "DnsReady": "True",
        "LinksReady": "True",
        "CertificatesReady": "True",
        "HostsConfigured": "True",
        "IdentityReady": "True",
        "Verified": "True",
        "SendingEnabled": "True",
        "MailReturned": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Drifted": "False",
        "SpamListed": "False",
        "Paused": "False",
        "Deleting": "False",
    }
    assert all(c["reason"] for c in tenant["conditions"])
    assert tenant["observed_generation"] == 1
    assert await stepped.operations() == [
        ("make", "succeeded", None),
        ("create", "succeeded", None),
        ("configure", "succeeded", None),
    ]


async def test_pass_without_a_change_runs_nothing_and_emits_no_event(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    before, events = await stepped.operations(), (await stepped.api.get("/events")).json()["items"]
    stepped.clock.advance(minutes=11)
    assert await stepped.step()
    assert await stepped.operations() == before
    assert (await stepped.api.get("/events")).json()["items"] == events
    assert stepped.cloud.ups == 1


async def test_events_of_a_first_pass_come_in_the_order_of_phases(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    events = (await stepped.api.get("/events", params={"limit": 1000})).json()["items"]
    kinds = [e["kind"] for e in events if e["subject"] == "tenant" and e["kind"].endswith("=True")]
    expected = ["InfrastructureReady", "DnsReady", "HostsConfigured", "Verified", "SendingEnabled"]
    assert [kind for kind in kinds if kind[:-5] in expected] == [
        f"{name}=True" for name in expected
    ]
    assert kinds[-1] == "Ready=True"


POINTS = (
    "before up", "bought", "after up", "dns",
    "accepted by mx1", "configuring mx1", "configured mx1", "verification",
)  # fmt: skip


@pytest.mark.parametrize("point", POINTS)
async def test_process_killed_at_any_point_is_followed_by_ready_with_one_purchase(
    stepped: SteppedReconciler, point: str
) -> None:
    await stepped.apply()
    stepped.points.kill(point)
    with killed():
        await stepped.step()
    assert not await stepped.step(), "the lease of the dead process still holds"
    await stepped.end_leases()
    assert await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert len(stepped.cloud.account.bought) == 1
    assert None not in [outcome for _, outcome, _ in await stepped.operations()]


async def test_operation_of_a_dead_process_is_aborted(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    stepped.points.kill("after up")
    with pytest.raises(Killed):
        await stepped.step()
    await stepped.end_leases()
    await stepped.step()
    assert ("create", "aborted", "operation.ended") in await stepped.operations()


async def test_retryable_failure_is_reported_and_tried_again(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    stepped.cloud.failures = [FAILED.shown()]
    await stepped.step()
    assert await stepped.condition("InfrastructureReady") == ("False", "CloudFailed")
    assert await stepped.condition("Reconciling") == ("True", "CloudFailed")
    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_stalled_tenant_gets_new_certificates(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.apply(domains=[{"name": "acme.example", "dmarc": "reject"}])
    stepped.cloud.failures = [CLOUDFLARE_UNAUTHORIZED.shown()]
    await stepped.step()
    assert await stepped.condition("Stalled") == ("True", "CloudflareUnauthorized")
    before = await stepped.operations()
    stepped.clock.advance(days=340)
    await stepped.step()
    new = (await stepped.operations())[len(before) :]
    assert new == [("make", "succeeded", None), ("configure", "succeeded", None)]
    assert await stepped.condition("Stalled") == ("True", "CloudflareUnauthorized")


async def test_lasting_failure_is_observed_and_not_tried_again_before_the_next_apply(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    stepped.cloud.failures = [CLOUDFLARE_UNAUTHORIZED.shown()]
    await stepped.step()
    assert await stepped.condition("Stalled") == ("True", "CloudflareUnauthorized")
    stepped.clock.advance(days=30)
    assert await stepped.step(), "the tenant is observed"
    assert await stepped.operations() == [
        ("make", "succeeded", None),
        ("create", "failed", "cloudflare.unauthorized"),
    ], "what failed is not tried again"
    assert await stepped.condition("Stalled") == ("True", "CloudflareUnauthorized")
    assert await stepped.condition("InfrastructureReady") == ("False", "CloudflareUnauthorized")
    assert (await stepped.apply()).headers["Penguin-Outcome"] == "configured"
    await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_unexpected_error_is_shown_without_details_and_tried_again(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    stepped.cloud.failures = [ZeroDivisionError("secret detail")]
    await stepped.step()
    assert await stepped.condition("Ready") == ("False", "ReconcilerFailed")
    assert "secret detail" not in str(await stepped.tenant())
    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_pending_address_holds_back_only_itself(stepped: SteppedReconciler) -> None:
    stepped.cloud.account.withheld = {"mx1-3"}
    hosts = [{"name": "mx1", "addresses": 3, "zone": "acme.example"}]
    await stepped.apply(hosts=hosts)
    await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert await stepped.condition("Ready", "address/mx1-2") == ("True", "Ready")
    assert await stepped.condition("Ready", "address/mx1-3") == ("False", "WaitingForProvider")
    stepped.cloud.account.withheld = set()
    stepped.clock.advance(minutes=31)
    await stepped.step()
    assert await stepped.condition("Ready", "address/mx1-3") == ("True", "Ready")
    assert len(stepped.cloud.account.bought) == 1


async def test_host_that_fails_verification_after_it_passed_is_configured_again(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    stepped.internet.wrong["address/mx1-2", "smtp.tls"] = TLS_FAILED
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Verified", "address/mx1-2") == ("False", "SmtpTlsFailed")
    stepped.internet.wrong = {}
    stepped.clock.advance(minutes=6)
    await stepped.step()
    assert stepped.configurator.runs == ["mx1", "mx1"]
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_host_that_does_not_try_outbound_port_25_yet_is_configured_again_and_keeps_sending(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    stepped.internet.wrong["address/mx1-2", "smtp.outbound"] = OUTBOUND_UNREAD
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Verified", "address/mx1-2") == ("True", "Verified")
    stepped.internet.wrong = {}
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert stepped.configurator.runs == ["mx1", "mx1"]
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_unknown_digest_is_reported_and_not_changed_before_the_next_apply(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    state = stepped.cloud.state("acme")
    stepped.cloud.stacks["acme"] = replace(state, digest="sha256:foreign")
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("Drifted") == ("True", "ForeignUpdate")
    assert stepped.cloud.ups == 1
    assert (await stepped.apply()).headers["Penguin-Outcome"] == "configured"
    await stepped.step()
    assert stepped.cloud.ups == 2
    assert await stepped.condition("Drifted") == ("False", "AsApplied")
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_operation_that_nobody_asked_for_is_in_the_background(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.until_quiet()
    assert not stepped.cloud.in_background
    stepped.cloud.refresh_by_hand("acme")
    stepped.clock.advance(minutes=11)
    await stepped.until_quiet()
    assert (stepped.cloud.ups, stepped.cloud.in_background) == (2, True)
    await stepped.apply(domains=[{"name": "acme.example", "dmarc": "reject"}])
    assert await stepped.step()
    assert (stepped.cloud.ups, stepped.cloud.in_background) == (3, False)


async def test_run_by_hand_of_our_blueprint_is_no_drift_and_is_repeated(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    await stepped.apply(mailboxes=[{"address": "a@acme.example"}])
    served = (await stepped.api.get("/tenants/acme/blueprint")).json()
    stepped.cloud.stacks["acme"] = replace(stepped.cloud.state("acme"), digest=served["digest"])
    await stepped.step()
    assert await stepped.condition("Drifted") == ("False", "AsApplied")
    assert await stepped.condition("Ready") == ("True", "Ready")
    assert stepped.cloud.ups == 2
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert stepped.cloud.ups == 2


async def test_state_that_a_refresh_by_hand_has_changed_is_completed(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    before = stepped.cloud.state("acme")
    stepped.cloud.refresh_by_hand("acme", gone={"acme.example/MX"})
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert stepped.cloud.state("acme") == before
    assert await stepped.condition("Ready") == ("True", "Ready")
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert stepped.cloud.ups == 2


async def test_server_that_a_refresh_by_hand_has_taken_out_is_not_bought_again(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    await stepped.step()
    [label] = stepped.cloud.account.bought
    stepped.cloud.account.end(label)
    stepped.cloud.refresh_by_hand("acme")
    stepped.clock.advance(minutes=11)
    await stepped.step()
    assert await stepped.condition("InfrastructureReady") == ("False", VANISHED.reason)
    stepped.cloud.account.forgotten.add(label)
    await stepped.until_quiet()
    assert stepped.cloud.account.bought == [label, label]
    assert await stepped.condition("Ready") == ("True", "Ready")


class TestDelete:
    async def test_deleted_tenant_stays_until_the_stack_is_empty(
        self, stepped: SteppedReconciler
    ) -> None:
        await stepped.apply()
        await stepped.step()
        await stepped.api.delete("/tenants/acme")
        stepped.cloud.ignored_destroys = 1
        await stepped.step()
        assert (await stepped.tenant())["deleting"]
        await stepped.until_quiet()
        assert (await stepped.api.get("/tenants/acme")).status_code == 404
        assert stepped.cloud.state("acme") == CloudState(digest=None)
        async with stepped.database.begin(CONTROLLER) as connection:
            remaining = await connection.execute(text("select * from directory.entries"))
            assert remaining.all() == []

    @pytest.mark.parametrize("point", ["before destroy", "after destroy"])
    async def test_deletion_whose_process_was_killed_goes_on(
        self, stepped: SteppedReconciler, point: str
    ) -> None:
        await stepped.apply()
        await stepped.step()
        await stepped.api.delete("/tenants/acme")
        stepped.points.kill(point)
        with pytest.raises(Killed):
            await stepped.step()
        await stepped.end_leases()
        await stepped.until_quiet()
        assert (await stepped.api.get("/tenants/acme")).status_code == 404


async def test_document_accepted_during_a_pass_makes_another_pass(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    changed = document(mailboxes=[{"address": "a@acme.example"}])
    stepped.meanwhile("before up", partial(stepped.api.put, "/tenants/acme", json=changed))
    await stepped.step()
    assert (await stepped.tenant())["observed_generation"] == 1
    assert await stepped.step()
    assert (await stepped.tenant())["observed_generation"] == 2


async def test_pass_that_lost_its_lease_runs_no_step(stepped: SteppedReconciler) -> None:
    await stepped.apply()

    async def take_over() -> None:
        async with stepped.database.begin(CONTROLLER) as connection:
            await connection.execute(text("update oltp.schedule set token = token + 1"))

    stepped.meanwhile("dns", take_over)
    await stepped.step()
    assert stepped.configurator.runs == []
    assert (await stepped.tenant())["observed_generation"] == 0


async def test_secrets_are_sealed_and_in_no_log_or_response(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    await stepped.step()
    async with stepped.database.begin(CONTROLLER) as connection:
        rows = (await connection.execute(text("select purpose, sealed from oltp.secrets"))).all()
    assert {row.purpose.split("/")[0] for row in rows} == {
        "ssh", "ca", "dkim", "submission", "submission-hash", "certificate",
    }  # fmt: skip
    assert all(row.sealed.startswith("v1.") for row in rows)
    page = (await stepped.api.get("/tenants/acme/operations")).json()["items"]
    logs = [(await stepped.api.get(f"/operations/{o['id']}/log")).text for o in page]
    assert any("-acme-mx1-" in log for log in logs)
    assert not any("PRIVATE" in log or "$6$" in log for log in logs)


async def test_hosts_of_which_one_never_answers_are_configured_at_the_same_time(
    stepped: SteppedReconciler,
) -> None:
    hosts = [{"name": name, "addresses": 2, "zone": "acme.example"} for name in ("mx1", "mx2")]
    await stepped.apply(hosts=hosts)
    other_is_done = threading.Event()

    def time_out() -> None:
        assert other_is_done.wait(SECONDS), "the other host waits for this one's deadline"
        raise UNREACHABLE(reason="timed out", where="host/mx2")

    stepped.points.once("first contact with mx2", time_out)
    stepped.points.once("configured mx1", other_is_done.set)
    await stepped.step()
    assert await stepped.condition("HostsConfigured", "host/mx2") == ("False", UNREACHABLE.reason)
    assert await stepped.condition("HostsConfigured", "host/mx1") == ("True", "Configured")
    assert await stepped.condition("Available") == ("True", "MailFlows")
    ended = [o for o in await stepped.operations() if o[0] == "configure"]
    assert sorted(str(outcome) for _, outcome, _ in ended) == ["failed", "succeeded"]


async def test_process_that_is_stopped_finishes_its_step_and_begins_no_other(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    stop = asyncio.Event()

    async def stop_reconciler() -> None:
        stop.set()

    stepped.meanwhile("before up", stop_reconciler)
    assert await stepped.reconciler().step("test", stop)
    assert await stepped.operations() == [
        ("make", "succeeded", None),
        ("create", "succeeded", None),
    ]
    assert await stepped.condition("InfrastructureReady") == ("True", "Provisioned")
    assert await stepped.condition("DnsReady") == ("Unknown", "NotYetReported")
    assert stepped.configurator.runs == []
    assert await stepped.step(), "the tenant is due at once for the next process"
    assert await stepped.condition("Ready") == ("True", "Ready")


async def test_pass_reports_progress_at_each_step_and_line_of_an_operation(
    stepped: SteppedReconciler,
) -> None:
    await stepped.apply()
    reports: list[str] = []
    at, reported = "", threading.Event()

    def progressed() -> None:
        reports.append(at)
        if at == "up":
            reported.set()

    async def up_begins() -> None:
        nonlocal at
        at = "up"

    stepped.meanwhile("before up", up_begins)
    stepped.points.once("bought", lambda: reported.wait(SECONDS))
    await stepped.reconciler().step("test", asyncio.Event(), progressed)
    assert reported.is_set()
    assert len(reports) > len(stepped.phases)
