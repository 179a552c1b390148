"""A regular pass ends at once while all is as its last one found it, and only then."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from blueprint.document import Firewall
from controlplane.checks.kinds import CheckKind
from controlplane.conditions.model import TENANT, ok
from controlplane.database import CONTROLLER
from controlplane.hosts import round_trips as rows
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.metrics import Metrics
from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.phase import Phase, Verdicts
from controlplane.reconciler.ports import Server
from controlplane.reconciler.rest import ALWAYS
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind
from controlplane.reconciler.table import Row
from controlplane.reconciler.taking import readings_of
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority
from hostwinds.faults import FIREWALL_PROFILE_LACKS
from kit.faults import Fault
from tests.bench.reconciler.counting import Counted, counted
from tests.integration.controlplane.stepped_reconciler import SteppedReconciler, stepped
from tests.support.phases import standard
from tests.support.waiting import SECONDS

__all__ = ["stepped"]
DAY = timedelta(days=1)
INTERVALS = dict.fromkeys(CheckKind, timedelta(minutes=10))
TABLE = re.compile(r"\b(?:from|join)\s+((?:oltp|directory|queue)\.\w+)")
WRITES = re.compile(r"\b(?:insert into|update|delete from) (?:oltp|directory)\.(?!schedule\b)")
WHOLE = [outcome for outcome in Outcome if outcome is not Outcome.AT_REST]


@dataclass
class Resting:
    """A reconciler that goes on after a pass, as a process does, and says how passes ended."""

    stepped: SteppedReconciler
    metrics: Metrics
    reconciler: Reconciler

    async def look(self, **later: float) -> Outcome | None:
        """Make the pass that is due after a time, and return its outcome."""
        before = self._count()
        self.stepped.clock.advance(**later)
        await self.reconciler.confirm()
        await self.reconciler.step("test", asyncio.Event())
        after = self._count()
        return next((each for each in Outcome if after[each] != before[each]), None)

    async def settle(self) -> None:
        """Let passes run until one has nothing to do."""
        for _ in range(20):
            if await self.look(minutes=11) is Outcome.AT_REST:
                return
        raise AssertionError("the tenant does not come to rest")

    async def run(self, statement: str, **values: object) -> None:
        """Change rows, without a request for a pass."""
        async with self.stepped.database.begin(CONTROLLER) as connection:
            await connection.execute(text(statement), values)

    def _count(self) -> dict[Outcome, float]:
        text = self.metrics.text()
        return {
            each: float(re.findall(rf'passes_total{{outcome="{each.value}"}} (\S+)', text)[0])
            for each in Outcome
        }


def resting(stepped: SteppedReconciler, **settings: timedelta) -> Resting:
    stepped.settings = stepped.settings.model_copy(update=settings)
    metrics = Metrics()
    return Resting(stepped, metrics, stepped.reconciler(metrics))


@pytest.fixture
async def at_rest(stepped: SteppedReconciler) -> Resting:
    """A tenant with nothing to do, as the reconciler knows."""
    stepped.clock.time = datetime.now(UTC)  # the database says how fresh a check is
    stepped.phases = standard(
        stepped.cloud,
        stepped.internet,
        stepped.configurator,
        servers=stepped.cloud.account,
        links=stepped.links,
        check_intervals=INTERVALS,
    )
    await stepped.apply()
    found = resting(stepped)
    await found.settle()
    return found


async def test_pass_without_any_change_asks_for_no_state_and_no_name(at_rest: Resting) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked")

    at_rest.stepped.cloud.state = refuse  # type: ignore[method-assign, assignment]  # a counter
    for point in ("dns", "verification"):
        at_rest.stepped.points.once(point, refuse)
    assert await at_rest.look(minutes=11) is Outcome.AT_REST


async def test_pass_that_a_person_asks_for_is_a_whole_one(at_rest: Resting) -> None:
    await at_rest.stepped.apply()
    await at_rest.run("update oltp.schedule set priority = 0")
    assert await at_rest.look(minutes=11) in WHOLE


CHANGES = {
    "directory.entries": "update directory.entries set document = document || "
    "'{\"generation\": 9}'",
    "directory.stops": "insert into directory.stops "
    "(id, scope, reason, actor, by_operator, since) "
    "values (gen_random_uuid(), 'platform', 'x', 'x', true, now())",
    "oltp.awaited_servers": "insert into oltp.awaited_servers "
    "(tenant_id, host, server_name, since, until) "
    "select id, 'mx1', 'x', now(), now() from oltp.tenants",
    "oltp.certificates": "insert into oltp.certificates (name, tenant_id, challenge) "
    "select 'x.example', id, 'dns-01' from oltp.tenants",
    "oltp.checks": "update oltp.checks set fresh_until = clock_timestamp()",
    "oltp.conditions": "update oltp.conditions set message = 'x' where type = 'DnsReady'",
    "oltp.consecutive_failures": "insert into oltp.consecutive_failures "
    "(tenant_id, type, subject, looks, since) "
    "select id, 'DnsReady', 'domain/x', 1, now() from oltp.tenants",
    "oltp.digests": "update oltp.digests set cloud = 'x'",
    "oltp.domains": "update oltp.domains set occupies = array['x']",
    "oltp.draining": "insert into oltp.draining (tenant_id, address, host) "
    "select id, 'mx9-1', '{}' from oltp.tenants",
    "oltp.draining_domains": "insert into oltp.draining_domains (tenant_id, domain, spec) "
    "select id, 'x.example', '{\"name\": \"x.example\"}' from oltp.tenants",
    "oltp.held_mail": "insert into oltp.held_mail (tenant_id, host, address, size, is_ours) "
    "select id, 'mx1', 'a@x.example', 1, true from oltp.tenants",
    "oltp.hosts": "update oltp.hosts set applied_digest = 'x'",
    "oltp.identities": "insert into oltp.identities (tenant_id, host, digest, at, findings) "
    "select id, 'mx1', 'x', now(), '[]' from oltp.tenants",
    "oltp.listed_servers": "insert into oltp.listed_servers (service_id, main_ip) "
    "select service_id, null from oltp.hosts",
    "oltp.mailbox_questions": "insert into oltp.mailbox_questions "
    "(id, tenant_id, host, action, address, name, public_key) "
    "select gen_random_uuid(), id, 'mx1', 'create', 'a@x.example', 'x', 'x' from oltp.tenants",
    "oltp.operations": "delete from oltp.operations",
    "oltp.pinned_images": "insert into oltp.pinned_images "
    "(service, image, tag, digest, registry, pinned_at, pinned_by) "
    "values ('x', 'x', 'x', 'sha256:' || repeat('0', 64), 'x', now(), 'x')",
    "oltp.purges": "insert into oltp.purges (tenant_id, host, name) "
    "select id, 'mx1', 'a@x.example' from oltp.tenants",
    "oltp.round_trips": "insert into oltp.round_trips "
    "(tenant_id, domain, host, at, unsuccessful, wrong) "
    "select id, 'x.example', 'mx1', now(), 0, 0 from oltp.tenants",
    "oltp.secrets": "update oltp.secrets set sealed = 'x' where purpose = 'ssh'",
    "oltp.tenants": "update oltp.tenants set generation = generation + 1",
}
"""A change of each table that passes read."""


def every_reading(stepped: SteppedReconciler) -> list[AnyReading]:
    id_ = UUID(int=1)
    of_phases = [reading for phase in stepped.phases for reading in phase.readings(id_)]
    return readings_of(id_, stepped.vault, drain=timedelta(hours=1), others=of_phases).every


async def test_every_table_that_a_pass_reads_is_changed_here(at_rest: Resting) -> None:
    read = every_reading(at_rest.stepped)
    assert {table for each in read for table in TABLE.findall(each.query.text)} == CHANGES.keys()


SINGLE = {"oltp.tenants", "directory.entries", "oltp.operations", "oltp.digests"}
"""Tables of which a pass reads one row, or whether there is any."""


async def test_rows_have_an_order_so_that_the_same_ones_are_equal(at_rest: Resting) -> None:
    for each in every_reading(at_rest.stepped):
        is_single = SINGLE.issuperset(TABLE.findall(each.query.text))
        assert is_single or "order by" in each.query.text, each.query.text


@pytest.mark.parametrize("table", CHANGES)
async def test_change_of_a_row_leads_to_a_whole_pass(
    at_rest: Resting, table: str, upgraded: str
) -> None:
    with psycopg.connect(upgraded) as admin:
        admin.execute(CHANGES[table])
    assert await at_rest.look(minutes=11) in WHOLE


def write_by_hand(stepped: SteppedReconciler) -> None:
    stepped.cloud.refresh_by_hand("acme")


def move(stepped: SteppedReconciler) -> None:
    stepped.cloud.account.move(next(iter(stepped.cloud.account.servers)))


def end(stepped: SteppedReconciler) -> None:
    stepped.cloud.account.end(next(iter(stepped.cloud.account.servers)))


def list_spam(stepped: SteppedReconciler) -> None:
    stepped.cloud.account.listed_as_spam.append("x")


@pytest.mark.parametrize("change", [write_by_hand, move, end, list_spam])
async def test_change_outside_leads_to_a_whole_pass(
    at_rest: Resting, change: Callable[[SteppedReconciler], None]
) -> None:
    change(at_rest.stepped)
    assert await at_rest.look(minutes=11) in WHOLE


async def test_firewall_that_is_changed_at_the_provider_leads_to_a_whole_pass(
    stepped: SteppedReconciler,
) -> None:
    lacking: list[Fault] = []

    def firewall(_service: int, _wanted: Firewall) -> Fault | None:
        return lacking[0] if lacking else None

    stepped.clock.time = datetime.now(UTC)
    stepped.phases = standard(
        stepped.cloud,
        stepped.internet,
        stepped.configurator,
        servers=stepped.cloud.account,
        firewall=firewall,
        check_intervals=INTERVALS,
    )
    await stepped.apply()
    found = resting(stepped)
    await found.settle()
    lacking.append(FIREWALL_PROFILE_LACKS.shown())
    assert await found.look(minutes=11) in WHOLE


async def test_tenant_at_rest_is_compared_before_a_worker_finds_it_due(at_rest: Resting) -> None:
    resync = at_rest.stepped.settings.resync
    assert await at_rest.look(seconds=0.995 * resync.total_seconds()) is Outcome.AT_REST
    assert await at_rest.look(seconds=0.5 * resync.total_seconds()) is None


async def test_tenant_whose_rest_ends_when_it_is_due_is_not_compared_before(
    at_rest: Resting,
) -> None:
    [rest] = at_rest.reconciler._rests._rests.values()
    await at_rest.run("update oltp.schedule set due_at = :until", until=rest.until)
    at_rest.stepped.clock.time = rest.until
    assert await at_rest.look(seconds=-1) is None
    assert await at_rest.look(seconds=1) in WHOLE


async def test_request_while_a_tenant_is_compared_leads_to_a_whole_pass(
    at_rest: Resting,
) -> None:
    stepped, loop = at_rest.stepped, asyncio.get_running_loop()
    requests: list[Coroutine[None, None, None]] = []
    shown = stepped.cloud.account.look

    async def request() -> None:
        async with stepped.database.begin(CONTROLLER) as connection:
            tenant_id = (await connection.execute(text("select id from oltp.tenants"))).scalar_one()
            await request_pass(connection, tenant_id, Priority.USER, now=stepped.clock())

    def look(service_ids: Collection[int], last: Mapping[int, str | None]) -> dict[int, Server]:
        while requests:
            asyncio.run_coroutine_threadsafe(requests.pop(), loop).result(SECONDS)
        return shown(service_ids, last)

    with patch.object(stepped.cloud.account, "look", look):
        assert await at_rest.look(hours=13) in WHOLE
        await at_rest.settle()
        requests.append(request())
        stepped.clock.advance(minutes=11)
        assert await at_rest.reconciler.confirm() == 0
    assert requests == []
    assert await at_rest.look() in WHOLE


async def test_another_process_makes_a_whole_pass_first(at_rest: Resting) -> None:
    other = resting(at_rest.stepped)
    assert await other.look(minutes=11) is Outcome.SETTLED


async def test_whole_pass_comes_after_its_time_although_nothing_has_changed(
    at_rest: Resting,
) -> None:
    found = await at_rest.look(hours=13)
    assert found is Outcome.SETTLED


async def test_without_time_for_whole_passes_each_one_is_whole(stepped: SteppedReconciler) -> None:
    await stepped.apply()
    found = resting(stepped, whole_pass=timedelta(0))
    with pytest.raises(AssertionError, match="does not come to rest"):
        await found.settle()


def written(count: Counted) -> list[str]:
    return [each for each in count.statements if WRITES.search(each)]


async def test_time_changes_nothing_before_a_rest_ends(at_rest: Resting) -> None:
    """Beside each pass that ends at once, a whole one finds nothing to write."""
    found = resting(at_rest.stepped, whole_pass=timedelta(days=3000))
    await found.settle()
    times = [timedelta(hours=1)] * 30 + [DAY] * 400
    ended = 0
    for later in times:
        with counted() as count:
            outcome = await found.look(seconds=later.total_seconds())
        if outcome is not Outcome.AT_REST:
            ended += 1
            await found.settle()
            continue
        assert written(count) == []
        at_rest.stepped.clock.advance(minutes=11)
        with counted() as count:
            assert await resting(at_rest.stepped).look() is Outcome.SETTLED
        assert written(count) == [], "a whole pass has written something"
    assert ended > 0, "certificates of addresses are renewed within a year"


class Undeclared(Phase[None]):
    """Says that time makes no difference, and does something with each observation."""

    row = Row("extra", "Extra", "extra", frozenset({Kind.TENANT}))

    def __init__(self, observes: Callable[[Session, UUID], Awaitable[object]]) -> None:
        self._observes = observes

    async def observe(self, snapshot: Snapshot, session: Session) -> None:
        """Do what a test wants."""
        await self._observes(session, snapshot.tenant.id)

    def verdicts(self, observed: None, snapshot: Snapshot) -> Verdicts:
        """Find it right."""
        del observed, snapshot
        return {TENANT: ok("Right")}

    def holds_until(self, observed: None, snapshot: Snapshot) -> datetime:
        """Return that time makes no difference."""
        del observed, snapshot
        return ALWAYS


class Silent(Undeclared):
    """Does not say until when its observation holds."""

    holds_until = Phase.holds_until


async def nothing(_session: Session, _tenant_id: UUID) -> None:
    """Read nothing."""


async def read_more(session: Session, _tenant_id: UUID) -> None:
    """Read what is in no reading."""
    async with session.read() as connection:
        await connection.execute(text("select 1"))


async def fetch_more(session: Session, tenant_id: UUID) -> None:
    """Fetch what `readings` does not return."""
    await session.fetch(rows.reading(UUID(int=tenant_id.int + 1)))


async def write(session: Session, _tenant_id: UUID) -> None:
    """Write."""
    async with session.write() as connection:
        await connection.execute(text("select 1"))


@pytest.mark.parametrize(
    "phase",
    [Silent(nothing), Undeclared(read_more), Undeclared(fetch_more), Undeclared(write)],
    ids=["silent", "read", "fetch", "write"],
)
async def test_phase_that_depends_on_what_is_not_compared_lets_no_tenant_rest(
    stepped: SteppedReconciler, phase: Undeclared
) -> None:
    stepped.clock.time = datetime.now(UTC)
    await stepped.apply()
    stepped.phases = [*stepped.phases, phase]
    found = resting(stepped)
    with pytest.raises(AssertionError, match="does not come to rest"):
        await found.settle()
