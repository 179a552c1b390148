"""The sweep of the account: tenants whose servers have changed get a pass, others do not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from blueprint.naming import server_name
from controlplane.database import CONTROLLER
from controlplane.reconciler.faults import MAIN_ADDRESS_MOVED, SERVER_GONE, SERVER_NOT_RUNNING
from controlplane.reconciler.sweep import Sweep
from kit.faults import Code
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.faults import assert_shows
from tests.support.installation import INSTALLATION

__all__ = ["stepped"]
LABEL = server_name(INSTALLATION, "acme", "mx1", 1)


@pytest.fixture
async def ready(stepped: SteppedReconciler) -> SteppedReconciler:
    """A tenant that is ready, and whose next pass is due in ten minutes."""
    await stepped.apply()
    assert await stepped.step()
    assert await stepped.condition("Ready") == ("True", "Ready")
    return stepped


@pytest.fixture
def time() -> list[float]:
    """The time of a clock that never steps."""
    return [1000.0]


@pytest.fixture
def sweep(ready: SteppedReconciler, time: list[float]) -> Sweep:
    return swept(ready, time)


def swept(stepped: SteppedReconciler, time: list[float]) -> Sweep:
    """Return a sweep whose every look is due."""
    account, pause = stepped.cloud.account, timedelta(0)
    return Sweep(stepped.database, account, stepped.clock, pause=pause, monotonic=lambda: time[0])


async def pass_time(ready: SteppedReconciler, time: list[float], seconds: float) -> None:
    """Let time pass for the process and for the database."""
    time[0] += seconds
    async with ready.database.begin(CONTROLLER) as connection:
        passed = {"passed": timedelta(seconds=seconds)}
        await connection.execute(
            text(
                "update oltp.sweeps set listed_at = listed_at - cast(:passed as interval),"
                " due_at = due_at - cast(:passed as interval)"
            ),
            passed,
        )
        await connection.execute(
            text(
                "update oltp.listed_servers"
                " set spam_asked_at = spam_asked_at - cast(:passed as interval)"
            ),
            passed,
        )


async def shown(ready: SteppedReconciler, code: Code) -> bool:
    """Return whether any part of the tenant has the reason of a code."""
    conditions = (await ready.tenant())["conditions"]
    return any(condition["reason"] == code.reason for condition in conditions)


async def test_server_that_has_ended_is_known_at_the_next_sweep(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    assert not await ready.step(), "nothing has changed"
    ready.cloud.account.end(LABEL)
    await sweep.look()
    assert await ready.step()
    assert await shown(ready, SERVER_GONE)
    await sweep.look()
    assert not await ready.step(), "known by now"


async def test_server_that_is_not_listed_is_asked_for_again_soon_where_there_is_no_answer(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    ready.cloud.account.end(LABEL)
    ready.cloud.account.answers_of_one = False
    await sweep.look()
    assert await ready.step()
    assert not await shown(ready, SERVER_GONE)
    ready.cloud.account.answers_of_one = True
    ready.clock.advance(seconds=59)
    assert not await ready.step()
    ready.clock.advance(seconds=1)
    assert await ready.step()
    assert await shown(ready, SERVER_GONE)


async def test_server_that_ended_while_the_reconciler_was_down_is_known_at_the_first_sweep(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    ready.cloud.account.end(LABEL)
    await sweep.look()
    assert await ready.step()
    assert await shown(ready, SERVER_GONE)


async def test_main_address_that_moved_wakes_its_tenant(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    ready.cloud.account.move(LABEL)
    ready.internet.dead = {"mx1"}
    await sweep.look()
    assert await ready.step()
    assert ready.cloud.ups == 2
    assert await shown(ready, MAIN_ADDRESS_MOVED) is False, "it is adopted already"


async def test_provider_that_does_not_answer_wakes_nobody(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    ready.cloud.account.answers = False
    await sweep.look()
    assert not await ready.step()
    ready.cloud.account.answers = True
    await sweep.look()
    assert not await ready.step(), "what was seen before is remembered"


async def test_listing_that_does_not_succeed_is_late_until_it_does(
    ready: SteppedReconciler, sweep: Sweep, time: list[float]
) -> None:
    await sweep.look()
    ready.cloud.account.answers = False
    await pass_time(ready, time, 240)
    await sweep.look()
    assert (sweep.age(), sweep.trouble()) == (240, "")
    await pass_time(ready, time, 240)
    await sweep.look()
    assert sweep.trouble() == "the provider's account was not listed for 8 minutes"
    ready.cloud.account.answers = True
    await sweep.look()
    assert sweep.trouble() == ""
    assert sweep.age() < 240


async def test_server_that_does_not_end_is_a_trouble_until_a_listing_has_none(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    ready.cloud.account.unended = ["server 1001 has not changed"]
    await sweep.look()
    assert sweep.trouble() == "server 1001 has not changed"
    ready.cloud.account.unended = []
    await sweep.look()
    assert sweep.trouble() == ""


async def test_spam_is_asked_for_by_one_process_and_once_an_hour_of_each_server(
    ready: SteppedReconciler, time: list[float]
) -> None:
    account = ready.cloud.account
    here, there = swept(ready, time), swept(ready, time)
    account.listed_as_spam = ["type outbound"]
    for sweep in (here, there, here, there):
        await sweep.look()
    assert len(account.spam_asked) == 1
    assert account.known_spam == {account.spam_asked[0]: ("type outbound",)}
    await pass_time(ready, time, 30)
    await there.look()
    assert len(account.spam_asked) == 1, "its answer is used for an hour"
    await pass_time(ready, time, 3600)
    await here.look()
    await there.look()
    assert len(account.spam_asked) == 2


async def test_account_without_servers_of_tenants_is_never_late(
    stepped: SteppedReconciler, time: list[float]
) -> None:
    sweep = swept(stepped, time)
    stepped.cloud.account.answers = False
    time[0] += 3600
    await sweep.look()
    assert sweep.trouble() == ""


async def test_server_that_does_not_run_any_more_is_named_at_the_next_sweep(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    assert not await ready.step(), "nothing has changed"
    server = ready.cloud.account.servers[LABEL]
    for trouble in ("suspended", "shut down"):
        server.trouble = trouble
        await sweep.look()
        assert await ready.step()
        condition = await ready.shown_condition("InfrastructureReady", "host/mx1")
        values = {"service_id": server.service_id, "host": "mx1", "trouble": trouble}
        assert_shows(condition, SERVER_NOT_RUNNING, **values)
        assert (await ready.condition("Ready"))[0] == "False"
        drifted = await ready.shown_condition("Drifted")
        assert drifted["status"] == "True"
        assert f"host/mx1: server {server.service_id} is {trouble}" in drifted["message"]
        todo = (await ready.api.get("/todo")).json()["items"]
        assert [(each["subject"], each["reason"]) for each in todo] == [
            ("host/mx1", SERVER_NOT_RUNNING.reason)
        ]
    server.trouble = ""
    await sweep.look()
    assert await ready.step()
    assert await ready.condition("Ready") == ("True", "Ready")
    assert await ready.condition("Drifted") == ("False", "AsApplied")
    assert ready.cloud.ups == 1


async def test_server_that_is_not_listed_and_may_exist_is_named(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    account = ready.cloud.account
    server = account.servers[LABEL]
    account.answers_of_one = False
    account.end(LABEL)
    await sweep.look()
    assert await ready.step()
    drifted = await ready.shown_condition("Drifted")
    assert drifted["status"] == "True"
    assert (
        f"host/mx1: the account's listing does not have server {server.service_id} any more"
        in (drifted["message"])
    )
    assert f"`penguin purchases forget {LABEL}`" in drifted["message"]
    assert await ready.condition("Ready") == ("True", "Ready")


async def test_server_that_was_started_again_is_seen_by_a_pass_that_a_person_asks_for(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    account = ready.cloud.account
    server = account.servers[LABEL]
    server.trouble = "shut down"
    await sweep.look()
    assert await ready.step()
    assert await shown(ready, SERVER_NOT_RUNNING)
    server.trouble, account.answers_of_one = "", False
    await ready.api.post("/tenants/acme/retry")
    assert await ready.step()
    assert await shown(ready, SERVER_NOT_RUNNING), "the provider has not answered"
    account.answers_of_one = True
    await ready.api.post("/tenants/acme/retry")
    assert await ready.step()
    assert await ready.condition("Ready") == ("True", "Ready")
    ready.clock.advance(minutes=11)
    assert await ready.step()
    assert await ready.condition("Ready") == ("True", "Ready"), "it is kept until the next listing"


async def test_server_that_is_locked_is_named_and_stays_ready(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    ready.cloud.account.servers[LABEL].trouble = "locked"
    await sweep.look()
    assert await ready.step()
    assert await ready.condition("Ready") == ("True", "Ready")
    drifted = await ready.shown_condition("Drifted")
    assert (drifted["status"], drifted["reason"]) == ("True", "ChangedOutside")
    assert drifted["message"].endswith("is locked")
    await sweep.look()
    assert not await ready.step(), "known by now"


async def test_address_that_a_server_has_lost_is_named_at_the_next_sweep(
    ready: SteppedReconciler, sweep: Sweep
) -> None:
    await sweep.look()
    assert not await ready.step(), "nothing has changed"
    [(name, ip)] = ready.cloud.account.servers[LABEL].adopted.items()
    del ready.cloud.account.servers[LABEL].adopted[name]
    await sweep.look()
    assert await ready.step()
    drifted = await ready.shown_condition("Drifted")
    assert drifted["status"] == "True"
    assert f"does not have {ip} any more" in drifted["message"]
    assert drifted["message"].startswith("address/mx1-2: ")
