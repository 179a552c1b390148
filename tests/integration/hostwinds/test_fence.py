"""Who was overtaken by a later holder of the lease changes nothing any more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from hostwinds.client import Client
from hostwinds.faults import JOURNAL_UNAVAILABLE, SUPERSEDED
from hostwinds.journal import Fence, Journal
from hostwinds.journal.postgres import PostgresJournal
from hostwinds.purchase import Buyer, Deadlines, Order
from kit.paths import checkout
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import KEY, Clock
from tests.support.faults import fault_shown
from tests.support.processes import suspended
from tests.support.waiting import wait_for

ORDER = Order("acme-mx1-abc123", 1, 2048, 50, "Seattle", "Debian 13")
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
HELD = """
import sys
from datetime import timedelta
from hostwinds.journal.postgres import PostgresJournal
from kit.faults import Fault

journal = PostgresJournal(sys.argv[1], longest_hold=timedelta(seconds=1))
with journal.hold("acme", 3) as hold:
    print("held", flush=True)
    sys.stdin.readline()
    try:
        hold.check()
    except Fault as fault:
        print(fault.code, flush=True)
"""
"""A process that would send a change if its hold were still good."""


class Overtaken:
    """A limiter in which the process sleeps once, while a later one takes over."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.sleeps = False

    def wait(self) -> None:
        if self.sleeps:
            self.sleeps = False
            self._journal.raise_fence("acme", 4)


@pytest.fixture
def limiter(journal: Journal) -> Overtaken:
    return Overtaken(journal)


@pytest.fixture
def fenced(url: str, journal: Journal, limiter: Overtaken) -> Iterator[Client]:
    """The client of an operation under token 3."""
    journal.raise_fence("acme", 3)
    fence = Fence(journal, "acme", 3)
    with Client(url, SecretStr(KEY), limiter, fence=fence, pause=lambda _: None) as client:
        yield client


@pytest.fixture
def buyer(fenced: Client, journal: Journal, clock: Clock) -> Buyer:
    start = datetime.now(UTC)
    journal.agree(ORDER.name, 999)
    return Buyer(
        fenced,
        journal,
        Deadlines(poll=30, provisioning=1800, portal=60),
        clock=lambda: start + timedelta(seconds=clock.now),
        pause=clock.pause,
    )


def test_holder_of_the_latest_token_buys_and_ends(
    buyer: Buyer, hostwinds_account: HostwindsAccount
) -> None:
    server = buyer.instance(ORDER, print)
    buyer.end_instance(server.service_id, ORDER.name, print)
    assert [line["kind"] for line in hostwinds_account.ledger] == ["server"]
    assert list(hostwinds_account.all_servers()) == []


def test_sleeper_before_an_order_buys_nothing_and_leaves_no_intent(
    buyer: Buyer, journal: Journal, hostwinds_account: HostwindsAccount, limiter: Overtaken
) -> None:
    limiter.sleeps = True
    with fault_shown(SUPERSEDED, name="acme"):
        buyer.instance(ORDER, print)
    assert hostwinds_account.ledger == []
    assert journal.intents() == []
    assert journal.agreed(ORDER.name) == 999


def test_sleeper_before_a_change_changes_nothing(
    fenced: Client, server: int, hostwinds_account: HostwindsAccount, limiter: Overtaken
) -> None:
    address = hostwinds_account.attach(server)
    before = fenced.addresses(server)
    changes = [
        lambda: fenced.terminate(server),
        lambda: fenced.release_address(server, address),
        lambda: fenced.set_pointer(server, address, "mx1.acme.example"),
    ]
    limiter.sleeps = True
    for change in changes:
        with fault_shown(SUPERSEDED, name="acme"):
            change()
    assert fenced.addresses(server) == before


def test_lower_token_raises_and_holds_nothing(journal: Journal) -> None:
    journal.raise_fence("acme", 7)
    with fault_shown(SUPERSEDED, name="acme"):
        journal.raise_fence("acme", 3)
    with fault_shown(SUPERSEDED, name="acme"):
        journal.hold("acme", 6).__enter__()
    journal.raise_fence("acme", 7)
    with journal.hold("acme", 7), journal.hold("acme", 7), journal.hold("other", 1):
        assert journal.fence("acme") == 7


def test_fence_is_raised_after_the_answer_of_a_call_under_way(database: str) -> None:
    journal = PostgresJournal(database)
    journal.raise_fence("acme", 3)
    with psycopg.connect(database, autocommit=True) as admin, ThreadPoolExecutor(2) as pool:

        def waiting(count: int) -> bool:
            return admin.execute(WAITING).fetchone() == (count,)

        with journal.hold("acme", 3):
            raising = pool.submit(journal.raise_fence, "acme", 4)
            wait_for(lambda: waiting(1))
            # A further call of the earlier process comes after who raises the fence.
            holding = pool.submit(Fence(journal, "acme", 3).held().__enter__)
            wait_for(lambda: waiting(2))
            assert journal.fence("acme") == 3
        raising.result()
        with fault_shown(SUPERSEDED, name="acme"):
            holding.result()
    assert journal.fence("acme") == 4


def test_process_that_is_stopped_holds_a_fence_no_longer_than_a_call_takes(database: str) -> None:
    journal = PostgresJournal(database)
    journal.raise_fence("acme", 3)
    with subprocess.Popen(
        [sys.executable, "-c", HELD, database],
        cwd=checkout(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sleeper:
        assert sleeper.stdin is not None
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "held\n"
        with suspended(sleeper.pid):
            journal.raise_fence("acme", 4)
        print(file=sleeper.stdin, flush=True)
        assert sleeper.stdout.readline() == f"{JOURNAL_UNAVAILABLE}\n"
    assert sleeper.returncode == 0


def test_run_by_hand_has_no_fence(tmp_path: Path) -> None:
    environment = {"HOSTWINDS_JOURNAL": str(tmp_path), "HOSTWINDS_API_URL": "http://127.0.0.1"}
    with Fence.from_environment(environment).held(), Fence.from_environment({}).held():
        pass
