"""The checker renews what passes rely on, and wakes a tenant when something has changed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from controlplane.checker.loop import AGAIN, Checker
from controlplane.checker.metrics import Metrics
from controlplane.checks.kinds import CheckKind
from controlplane.database import CONTROLLER
from controlplane.reconciler.checks import Given, Outside, restored, stored
from controlplane.reconciler.ports import Finding
from controlplane.verification.faults import FAULTS, MISSING, NO_ANSWER
from kit.faults import Actor
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.memory_internet import MemoryInternet
from tests.support.phases import MemoryLinks, standard
from tests.support.points import Points
from tests.support.waiting import reached

__all__ = ["stepped"]
INTERVALS = dict.fromkeys(CheckKind, timedelta(minutes=10))
NAMES = ("domain/acme.example", "dns.authoritative")
EVERY = len(CheckKind)


@dataclass
class Counting(MemoryInternet):
    """Counts what it is asked, and by whom."""

    points: Points
    asked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Begin with nothing wrong."""
        super().__init__(self.points)

    async def verify_dns(self, *given: Any) -> Sequence[Finding]:
        """Count a question."""
        self.asked["dns"] += 1
        return await super().verify_dns(*given)

    async def verify_hosts(self, *given: Any, **named: Any) -> Sequence[Finding]:
        """Count a question, and require the tenant's key."""
        self.asked["hosts"] += 1
        assert all("PRIVATE KEY" in login.private_key for login in named["logins"].values())
        assert named["logins"]
        return await super().verify_hosts(*given, **named)


@dataclass
class Checked:
    """A tenant that is Ready, whose passes rely on checks, and the checker."""

    stepped: SteppedReconciler
    internet: Counting
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def checker(self) -> Checker:
        """A checker, as its process has one."""
        return Checker(
            self.stepped.database,
            self.stepped.vault,
            Outside(self.internet, MemoryLinks()),
            intervals=INTERVALS,
            at_once=8,
            clock=self.stepped.clock,
            metrics=self.metrics,
        )

    async def run(self, statement: str) -> list[Any]:
        """Run a statement; return its rows."""
        async with self.stepped.database.begin(CONTROLLER) as connection:
            result = await connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    async def check(self) -> int:
        """Let all checks be due, and make them."""
        await self.run("update oltp.checks set due_at = clock_timestamp()")
        return await self.checker.step()

    async def is_woken(self) -> bool:
        """Return whether a pass is due at once."""
        now = self.stepped.clock().isoformat()
        rows = await self.run(
            f"select 1 from oltp.schedule where priority = 2 and due_at <= '{now}'"  # noqa: S608 - no input
        )
        return bool(rows)


@pytest.fixture
async def checked(stepped: SteppedReconciler) -> Checked:
    internet = Counting(stepped.points)
    stepped.internet = internet
    stepped.clock.time = datetime.now(UTC)
    stepped.phases = standard(
        stepped.cloud,
        internet,
        stepped.configurator,
        servers=stepped.cloud.account,
        links=stepped.links,
        check_intervals=INTERVALS,
    )
    await stepped.apply()
    await stepped.until_quiet()
    assert await stepped.condition("Ready") == ("True", "Ready")
    await stepped.until_quiet()
    internet.asked.clear()
    return Checked(stepped, internet)


async def test_pass_relies_on_a_fresh_check_that_was_right(checked: Checked) -> None:
    checked.stepped.clock.advance(minutes=11)
    assert await checked.stepped.step()
    assert not checked.internet.asked


async def test_pass_checks_by_itself_when_no_check_is_fresh(checked: Checked) -> None:
    await checked.run("update oltp.checks set fresh_until = clock_timestamp()")
    checked.stepped.clock.advance(minutes=11)
    assert await checked.stepped.step()
    assert checked.internet.asked == {"dns": 1, "hosts": 1}
    assert (
        await checked.run("select 1 from oltp.checks where fresh_until < clock_timestamp()") == []
    )


async def test_pass_checks_by_itself_when_something_else_is_to_be_checked(
    checked: Checked,
) -> None:
    await checked.run("update oltp.checks set digest = 'another'")
    checked.stepped.clock.advance(minutes=11)
    assert await checked.stepped.step()
    assert checked.internet.asked == {"dns": 1, "hosts": 1}


async def test_pass_that_a_person_asks_for_checks_by_itself(checked: Checked) -> None:
    await checked.stepped.apply(mailboxes=[{"address": "info@acme.example"}])
    assert await checked.stepped.step()
    assert checked.internet.asked["dns"] > 0
    assert checked.internet.asked["hosts"] > 0


async def test_check_that_is_right_again_wakes_no_tenant_and_is_fresh(checked: Checked) -> None:
    await checked.run("update oltp.checks set fresh_until = clock_timestamp()")
    assert await checked.check() == EVERY
    assert checked.internet.asked == {"dns": 1, "hosts": 1}
    assert not await checked.is_woken()
    assert (
        await checked.run("select 1 from oltp.checks where fresh_until < clock_timestamp()") == []
    )
    assert await checked.run("select 1 from oltp.checks where due_at < clock_timestamp()") == []
    assert await checked.checker.step() == 0
    assert 'kind="dns",result="right"} 1' in checked.metrics.text()


async def test_what_turns_wrong_wakes_the_tenant_whose_pass_checks_by_itself(
    checked: Checked,
) -> None:
    checked.internet.wrong[NAMES] = MISSING
    await checked.check()
    assert await checked.is_woken()
    checked.internet.asked.clear()
    assert await checked.stepped.step()
    assert checked.internet.asked["dns"] == 1
    shown = await checked.stepped.shown_condition("DnsReady", "domain/acme.example")
    assert shown["status"] == "True", "one wrong check is no verdict"
    assert "1 wrong looks" in shown["message"]


async def test_what_stays_wrong_wakes_the_tenant_once(checked: Checked) -> None:
    checked.internet.wrong[NAMES] = MISSING
    await checked.check()
    assert await checked.stepped.step()
    assert not await checked.is_woken()
    await checked.check()
    assert not await checked.is_woken()


async def test_what_turns_right_wakes_the_tenant(checked: Checked) -> None:
    checked.internet.wrong[NAMES] = MISSING
    await checked.check()
    assert await checked.stepped.step()
    checked.internet.wrong.clear()
    await checked.check()
    assert await checked.is_woken()
    checked.internet.asked.clear()
    assert await checked.stepped.step()
    assert not checked.internet.asked
    shown = await checked.stepped.shown_condition("DnsReady", "domain/acme.example")
    assert "wrong looks" not in shown["message"]


async def test_question_without_an_answer_wakes_nobody_and_is_asked_again_soon(
    checked: Checked,
) -> None:
    checked.internet.wrong[NAMES] = NO_ANSWER
    await checked.check()
    assert not await checked.is_woken()
    rows = await checked.run(
        "select kind, is_right, due_at - clock_timestamp() from oltp.checks order by due_at"
    )
    [(kind, is_right, first), (_, _, second), _] = rows
    assert (kind, is_right) == ("dns", True)
    assert first <= AGAIN < second


@pytest.mark.parametrize("state", ["paused", "stalled"])
async def test_tenant_that_is_paused_or_stalled_is_checked_too(
    checked: Checked, state: str
) -> None:
    if state == "paused":
        await checked.stepped.api.post("/tenants/acme/pause", json={"reason": "a test"})
    else:
        await checked.run(
            "update oltp.conditions set status = 'True' "
            "where type = 'Stalled' and subject = 'tenant'"
        )
    assert await checked.check() == EVERY
    assert checked.internet.asked == {"dns": 1, "hosts": 1}


async def test_result_of_what_is_not_wanted_any_more_is_dropped(checked: Checked) -> None:
    checked.internet.wrong[NAMES] = MISSING
    await checked.run("update oltp.checks set due_at = clock_timestamp()")

    def replace() -> None:
        async def run() -> None:
            await checked.run("update oltp.checks set digest = 'another'")

        asyncio.run_coroutine_threadsafe(run(), loop).result(30)

    loop = asyncio.get_running_loop()
    checked.stepped.points.once("dns", replace)
    await checked.checker.step()
    assert not await checked.is_woken()
    assert await checked.run("select 1 from oltp.checks where not is_right") == []


async def test_check_of_another_version_is_left_to_the_pass(checked: Checked) -> None:
    await checked.run("update oltp.checks set input = '{}'")
    assert await checked.check() == EVERY
    assert not checked.internet.asked
    assert 'kind="hosts",result="failed"} 1' in checked.metrics.text()


async def test_deleted_tenant_leaves_no_check(checked: Checked) -> None:
    assert await checked.run("select count(*) from oltp.checks") == [(EVERY,)]
    await checked.stepped.api.delete("/tenants/acme")
    await checked.stepped.until_quiet()
    assert await checked.run("select count(*) from oltp.checks") == [(0,)]


async def test_checks_of_a_tenant_hold_no_secret(checked: Checked) -> None:
    rows = await checked.run("select input from oltp.checks")
    assert rows
    for (given,) in rows:
        assert "PRIVATE KEY" not in given
        Given.model_validate_json(given)


class Idle(Checker):
    """Has nothing to check."""

    async def step(self) -> int:
        """Find nothing due."""
        return 0


async def test_checker_that_is_idle_ends_when_it_is_stopped(stepped: SteppedReconciler) -> None:
    stop, idle = asyncio.Event(), asyncio.Event()
    outside = Outside(MemoryInternet(Points()), MemoryLinks())
    checker = Idle(
        stepped.database,
        stepped.vault,
        outside,
        intervals=INTERVALS,
        at_once=8,
        clock=stepped.clock,
    )
    running = asyncio.create_task(checker.run(stop, lambda _: idle.set()))
    await idle.wait()
    stop.set()
    await asyncio.wait_for(running, 10)


def test_findings_are_restored_as_they_were() -> None:
    findings = [
        Finding("domain/acme.example", "dns.recursive", True, "right"),
        Finding.of("host/mx1", "fcrdns", MISSING.shown()),
        Finding("address/mx1-1", "ports", True, "more", MISSING, "close", Actor.USER, asks=True),
    ]
    content = stored(findings)
    assert restored(_loaded(content), FAULTS.get) == findings


def test_finding_with_a_code_of_another_version_is_not_relied_on() -> None:
    content = stored([Finding.of("host/mx1", "fcrdns", MISSING.shown())])
    assert restored(_loaded(content), lambda _: None) is None


def _loaded(content: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(content)
    return loaded


async def test_workers_without_a_check_progress_and_make_what_becomes_due(
    checked: Checked,
) -> None:
    stop, progressed = asyncio.Event(), Counter[str]()
    running = asyncio.create_task(checked.checker.run(stop, lambda name: progressed.update([name])))

    async def idle() -> bool:
        return len(progressed) == 2 and min(progressed.values()) > 1

    await reached(idle)
    assert not checked.internet.asked
    await checked.run("update oltp.checks set due_at = clock_timestamp()")

    async def made() -> bool:
        return checked.internet.asked == {"dns": 1, "hosts": 1}

    await reached(made)
    stop.set()
    await running
