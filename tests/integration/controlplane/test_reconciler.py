"""Passes on a real database, with everything outside in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from blueprint.document import Blueprint
from controlplane.ansible.faults import UNREACHABLE
from controlplane.database import CONTROLLER
from controlplane.pulumi.faults import FAILED
from controlplane.reconciler.ports import CloudState, ObservedHost
from controlplane.verification.faults import MISSING, TLS_FAILED
from stacks.faults import CLOUDFLARE_UNAUTHORIZED
from tests.integration.controlplane.conftest import document
from tests.integration.controlplane.killing import Killed
from tests.integration.controlplane.stepped_reconciler import World, world

__all__ = ["world"]
MANUAL = [{"name": "acme.example"}, {"name": "acme-mail.example", "dns": "manual"}]


async def test_pass_over_a_new_tenant_makes_it_ready(world: World) -> None:
    await world.apply()
    assert await world.step()
    tenant = await world.tenant()
    assert {c["type"]: c["status"] for c in tenant["conditions"] if c["subject"] == "tenant"} == {
        "Ready": "True",
        "Available": "True",
        "Synced": "True",
        "KeysReady": "True",
        "InfrastructureReady": "True",
        "DnsReady": "True",
        "HostsConfigured": "True",
        "Verified": "True",
        "SendingEnabled": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Drifted": "False",
        "Paused": "False",
        "Deleting": "False",
    }
    assert all(c["reason"] for c in tenant["conditions"])
    assert tenant["observed_generation"] == 1
    assert await world.operations() == [
        ("make", "succeeded", None),
        ("create", "succeeded", None),
        ("configure", "succeeded", None),
    ]


async def test_pass_without_a_change_runs_nothing_and_emits_no_event(world: World) -> None:
    await world.apply()
    await world.step()
    before, events = await world.operations(), (await world.api.get("/events")).json()["next"]
    world.clock.advance(minutes=11)
    assert await world.step()
    assert await world.operations() == before
    assert (await world.api.get("/events")).json()["next"] == events
    assert world.cloud.ups == 1


async def test_events_of_a_first_pass_come_in_the_order_of_phases(world: World) -> None:
    await world.apply()
    await world.step()
    events = (await world.api.get("/events", params={"limit": 1000})).json()["items"]
    kinds = [e["kind"] for e in events if e["subject"] == "tenant" and e["kind"].endswith("=True")]
    wanted = ["InfrastructureReady", "DnsReady", "HostsConfigured", "Verified", "SendingEnabled"]
    assert [kind for kind in kinds if kind[:-5] in wanted] == [f"{name}=True" for name in wanted]
    assert kinds[-1] == "Ready=True"


POINTS = ["before up", "bought", "after up", "dns", "first contact", "configuration"]


@pytest.mark.parametrize("point", [*POINTS, "after configuration", "verification"])
async def test_process_killed_at_any_point_is_followed_by_ready_with_one_purchase(
    world: World, point: str
) -> None:
    await world.apply()
    world.kill.at = point
    with pytest.raises(BaseException) as death:  # noqa: PT011 - a group or the death itself
        await world.step()
    assert death.group_contains(Killed) if isinstance(death.value, BaseExceptionGroup) else True
    assert not await world.step(), "the lease of the dead process still holds"
    world.clock.advance(minutes=2)
    assert await world.step()
    assert await world.condition("Ready") == ("True", "Ready")
    assert len(world.cloud.account.bought) == 1
    assert None not in [outcome for _, outcome, _ in await world.operations()]


async def test_operation_of_a_dead_process_is_aborted(world: World) -> None:
    await world.apply()
    world.kill.at = "after up"
    with pytest.raises(Killed):
        await world.step()
    world.clock.advance(minutes=2)
    await world.step()
    assert ("create", "aborted", "operation.ended") in await world.operations()


async def test_retryable_failure_is_reported_and_tried_again(world: World) -> None:
    await world.apply()
    world.cloud.failures = [FAILED.shown()]
    await world.step()
    assert await world.condition("InfrastructureReady") == ("False", "CloudFailed")
    assert await world.condition("Reconciling") == ("True", "CloudFailed")
    await world.until_quiet()
    assert await world.condition("Ready") == ("True", "Ready")


async def test_lasting_failure_is_observed_and_not_tried_again_before_the_next_apply(
    world: World,
) -> None:
    await world.apply()
    world.cloud.failures = [CLOUDFLARE_UNAUTHORIZED.shown()]
    await world.step()
    assert await world.condition("Stalled") == ("True", "CloudflareUnauthorized")
    world.clock.advance(days=30)
    assert await world.step(), "it is looked at"
    assert await world.operations() == [
        ("make", "succeeded", None),
        ("create", "failed", "cloudflare.unauthorized"),
    ], "and what failed is not tried again"
    assert await world.condition("Stalled") == ("True", "CloudflareUnauthorized")
    assert await world.condition("InfrastructureReady") == ("False", "CloudflareUnauthorized")
    assert (await world.apply()).headers["Penguin-Outcome"] == "configured"
    await world.step()
    assert await world.condition("Ready") == ("True", "Ready")


async def test_unexpected_error_is_shown_without_details_and_tried_again(world: World) -> None:
    await world.apply()
    world.cloud.failures = [ZeroDivisionError("secret detail")]
    await world.step()
    assert await world.condition("Ready") == ("False", "ReconcilerFailed")
    assert "secret detail" not in str(await world.tenant())
    await world.until_quiet()
    assert await world.condition("Ready") == ("True", "Ready")


async def test_pending_address_holds_back_only_itself(world: World) -> None:
    world.cloud.account.withheld = {"mx1-3"}
    hosts = [{"name": "mx1", "addresses": 3, "zone": "acme.example"}]
    await world.apply(hosts=hosts)
    await world.step()
    assert await world.condition("Ready") == ("True", "Ready")
    assert await world.condition("Ready", "address/mx1-2") == ("True", "Ready")
    assert await world.condition("Ready", "address/mx1-3") == ("False", "WaitingForProvider")
    world.cloud.account.withheld = set()
    world.clock.advance(minutes=6)
    await world.step()
    assert await world.condition("Ready", "address/mx1-3") == ("True", "Ready")
    assert len(world.cloud.account.bought) == 1


async def test_manual_domain_without_records_holds_back_only_itself(world: World) -> None:
    world.internet.wrong["domain/acme-mail.example", "dns.authoritative"] = MISSING
    await world.apply(domains=MANUAL)
    await world.step()
    assert await world.condition("Ready") == ("True", "Ready")
    assert await world.condition("SendingEnabled", "domain/acme-mail.example") == (
        "False",
        "DomainNotVerified",
    )
    assert await world.published() == {"acme.example": True, "acme-mail.example": False}


async def test_domain_that_becomes_manual_gets_a_key_with_a_manual_selector(
    world: World,
) -> None:
    await world.apply(domains=[{"name": "acme.example"}, {"name": "acme-mail.example"}])
    await world.step()
    await world.apply(domains=MANUAL)
    await world.step()
    blueprint = (await world.api.get("/tenants/acme/blueprint")).json()
    selectors = {d["name"]: d["selector"] for d in blueprint["domains"]}
    assert selectors == {"acme.example": "pm202611", "acme-mail.example": "pm1"}
    known = {r["name"] for r in blueprint["records"] if r["type"] == "CNAME"}
    assert "pm1._domainkey.acme-mail.example" in known


async def test_domain_with_a_missing_record_does_not_send(world: World) -> None:
    world.internet.wrong["domain/acme.example", "dns.authoritative"] = MISSING
    await world.apply()
    await world.step()
    assert await world.condition("DnsReady") == ("False", "DnsMissing")
    assert await world.condition("SendingEnabled") == ("False", "DomainNotVerified")
    assert (await world.condition("Ready"))[0] == "False"
    world.internet.wrong = {}
    world.clock.advance(minutes=6)
    await world.step()
    assert await world.condition("Ready") == ("True", "Ready")


async def test_host_that_fails_verification_after_it_passed_is_configured_again(
    world: World,
) -> None:
    await world.apply()
    await world.step()
    world.internet.wrong["address/mx1-2", "smtp.tls"] = TLS_FAILED
    world.clock.advance(minutes=11)
    await world.step()
    assert await world.condition("Verified", "address/mx1-2") == ("False", "SmtpTlsFailed")
    world.internet.wrong = {}
    world.clock.advance(minutes=6)
    await world.step()
    assert world.configurator.runs == ["mx1", "mx1"]
    assert await world.condition("Ready") == ("True", "Ready")


async def test_unknown_digest_is_reported_and_not_changed_before_the_next_apply(
    world: World,
) -> None:
    await world.apply()
    await world.step()
    state = world.cloud.state("acme")
    world.cloud.stacks["acme"] = replace(state, digest="sha256:foreign")
    world.clock.advance(minutes=11)
    await world.step()
    assert await world.condition("Drifted") == ("True", "ForeignUpdate")
    assert world.cloud.ups == 1
    assert (await world.apply()).headers["Penguin-Outcome"] == "configured"
    await world.step()
    assert world.cloud.ups == 2
    assert await world.condition("Drifted") == ("False", "AsApplied")
    assert await world.condition("Ready") == ("True", "Ready")


async def test_run_by_hand_of_our_blueprint_is_no_drift_and_is_repeated(
    world: World,
) -> None:
    await world.apply()
    await world.step()
    await world.apply(mailboxes=[{"address": "a@acme.example"}])
    served = (await world.api.get("/tenants/acme/blueprint")).json()
    world.cloud.stacks["acme"] = replace(world.cloud.state("acme"), digest=served["digest"])
    await world.step()
    assert await world.condition("Drifted") == ("False", "AsApplied")
    assert await world.condition("Ready") == ("True", "Ready")
    assert world.cloud.ups == 2
    world.clock.advance(minutes=11)
    await world.step()
    assert world.cloud.ups == 2


class TestDelete:
    async def test_deleted_tenant_stays_until_the_stack_is_empty(self, world: World) -> None:
        await world.apply()
        await world.step()
        await world.api.delete("/tenants/acme")
        world.cloud.keeps_after_destroy = 1
        await world.step()
        assert (await world.tenant())["deleting"]
        await world.until_quiet()
        assert (await world.api.get("/tenants/acme")).status_code == 404
        assert world.cloud.state("acme") == CloudState(digest=None)
        async with world.database.begin(CONTROLLER) as connection:
            left = await connection.execute(text("select * from directory.entries"))
            assert left.all() == []

    @pytest.mark.parametrize("point", ["before destroy", "after destroy"])
    async def test_deletion_whose_process_was_killed_goes_on(
        self, world: World, point: str
    ) -> None:
        await world.apply()
        await world.step()
        await world.api.delete("/tenants/acme")
        world.kill.at = point
        with pytest.raises(Killed):
            await world.step()
        world.clock.advance(minutes=2)
        await world.until_quiet()
        assert (await world.api.get("/tenants/acme")).status_code == 404


async def test_document_accepted_during_a_pass_makes_another_pass(world: World) -> None:
    await world.apply()
    up: Callable[..., CloudState] = world.cloud.up
    loop = asyncio.get_running_loop()
    changed = document(mailboxes=[{"address": "a@acme.example"}])

    def up_while_a_document_is_accepted(*args: Any, **kwargs: Any) -> CloudState:
        written = world.api.put("/tenants/acme", json=changed)
        asyncio.run_coroutine_threadsafe(written, loop).result(timeout=10)
        return up(*args, **kwargs)

    world.cloud.up = up_while_a_document_is_accepted  # type: ignore[method-assign]
    await world.step()
    world.cloud.up = up  # type: ignore[method-assign]
    assert (await world.tenant())["observed_generation"] == 1
    assert await world.step()
    assert (await world.tenant())["observed_generation"] == 2


async def test_pass_that_lost_its_lease_runs_no_step(world: World) -> None:
    await world.apply()
    verify = world.internet.verify_dns

    async def taken_over(*args: Any) -> Any:
        async with world.database.begin(CONTROLLER) as connection:
            await connection.execute(text("update oltp.schedule set token = token + 1"))
        return await verify(*args)

    world.internet.verify_dns = taken_over  # type: ignore[method-assign]
    await world.step()
    assert world.configurator.runs == []
    assert (await world.tenant())["observed_generation"] == 0


async def test_secrets_are_sealed_and_in_no_log_or_response(world: World) -> None:
    await world.apply()
    await world.step()
    async with world.database.begin(CONTROLLER) as connection:
        rows = (await connection.execute(text("select purpose, sealed from oltp.secrets"))).all()
    assert {row.purpose.split("/")[0] for row in rows} == {
        "ssh", "ca", "dkim", "submission", "submission-hash", "certificate",
    }  # fmt: skip
    assert all(row.sealed.startswith("v1.") for row in rows)
    page = (await world.api.get("/tenants/acme/operations")).json()["items"]
    logs = [(await world.api.get(f"/operations/{o['id']}/log")).text for o in page]
    assert any("-acme-mx1-" in log for log in logs)
    assert not any("PRIVATE" in log or "$6$" in log for log in logs)


async def test_hosts_of_which_one_never_answers_are_configured_at_the_same_time(
    world: World,
) -> None:
    hosts = [{"name": name, "addresses": 2, "zone": "acme.example"} for name in ("mx1", "mx2")]
    await world.apply(hosts=hosts)
    first_contact, other_is_done = world.configurator.first_contact, threading.Event()
    configure = world.configurator.configure

    def contact(host: ObservedHost, **arguments: Any) -> str:
        if host.name == "mx2":
            return first_contact(host, **arguments)
        assert other_is_done.wait(30), "the other host waits for this one's deadline"
        raise UNREACHABLE(reason="timed out", where="host/mx1")

    def configured(blueprint: Blueprint, host: ObservedHost, *args: Any, **kwargs: Any) -> int:
        changed = configure(blueprint, host, *args, **kwargs)
        other_is_done.set()
        return changed

    world.configurator.first_contact = contact  # type: ignore[method-assign]
    world.configurator.configure = configured  # type: ignore[method-assign]
    await world.step()
    assert await world.condition("HostsConfigured", "host/mx1") == ("False", UNREACHABLE.reason)
    assert await world.condition("HostsConfigured", "host/mx2") == ("True", "Configured")
    assert await world.condition("Available") == ("True", "MailFlows")
    ended = [o for o in await world.operations() if o[0] == "configure"]
    assert sorted(outcome for _, outcome, _ in ended) == ["failed", "succeeded"]


async def test_process_that_is_stopped_finishes_its_step_and_begins_no_other(world: World) -> None:
    await world.apply()
    stop, up = asyncio.Event(), world.cloud.up
    loop = asyncio.get_running_loop()

    def up_at_the_end(*args: Any, **kwargs: Any) -> CloudState:
        loop.call_soon_threadsafe(stop.set)
        return up(*args, **kwargs)

    world.cloud.up = up_at_the_end  # type: ignore[method-assign]
    assert await world.reconciler().step("test", stop)
    assert await world.operations() == [("make", "succeeded", None), ("create", "succeeded", None)]
    assert await world.condition("InfrastructureReady") == ("True", "Provisioned")
    assert await world.condition("DnsReady") == ("Unknown", "NotYetReported")
    assert world.configurator.runs == []
    assert await world.step(), "the tenant is due at once for the next process"
    assert await world.condition("Ready") == ("True", "Ready")


async def test_pass_reports_progress_at_each_step_and_line_of_an_operation(world: World) -> None:
    await world.apply()
    reports: list[str] = []
    at, running = "", asyncio.get_running_loop()
    up, reported = world.cloud.up, threading.Event()

    def progressed() -> None:
        reports.append(at)
        if at == "up":
            reported.set()

    def set_at(now: str) -> None:
        nonlocal at
        at = now

    def talkative(blueprint: Blueprint, progress: Any, **kwargs: Any) -> CloudState:
        running.call_soon_threadsafe(set_at, "up")
        progress("still creating")
        assert reported.wait(30)
        return up(blueprint, progress, **kwargs)

    world.cloud.up = talkative  # type: ignore[method-assign]
    await world.reconciler().step("test", asyncio.Event(), progressed)
    assert len(reports) > len(world.phases)
