"""The rate of requests is kept by all processes together."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from hostwinds.faults import BAD_NUMBER, JOURNAL_UNAVAILABLE
from hostwinds.limiter import (
    LONGEST_HOLD,
    FileLimiter,
    Limiter,
    Pace,
    PostgresLimiter,
    SharedLimiter,
    one_connection,
)
from kit.paths import checkout
from stacks.cloudflare_rate import RATE, WINDOW, Turns, pace_of, wait_for_turn
from tests.support.faults import fault_shown

SLOW = Pace(0.1, burst=50)
PROCESS = """
import sys
from hostwinds.limiter import Pace, PostgresLimiter
limiter = PostgresLimiter(sys.argv[1], Pace(0.01), pause=print)
for _ in range(20):
    limiter.wait()
"""
"""Prints for how long it would have waited before each of its requests, at one in 100 seconds."""


@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_limiter_of_several_processes_keeps_the_rate(
    kind: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    waits: list[float] = []

    def limiter() -> Limiter:
        if kind == "file":
            return FileLimiter(tmp_path / "limiter", Pace(2), pause=waits.append)
        return PostgresLimiter(request.getfixturevalue("database"), Pace(2), pause=waits.append)

    for _ in range(5):
        limiter().wait()  # five processes, one request each
    assert waits[0] == pytest.approx(0, abs=0.1)
    assert waits[-1] == pytest.approx(2, abs=0.5)


@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_limiter_with_a_clock_set_back_does_not_wait(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    waits: list[float] = []
    far = 4e9  # a slot of the year 2096, written in 2096
    limiter: Limiter
    if kind == "file":
        (tmp_path / "limiter").write_text(f"{far + 0.5} {far}")
        limiter = FileLimiter(tmp_path / "limiter", Pace(2), pause=waits.append)
    else:
        dsn = request.getfixturevalue("database")
        limiter = PostgresLimiter(dsn, Pace(2), pause=waits.append)
        limiter.wait()
        with psycopg.connect(dsn) as connection:
            connection.execute(
                "update purchase.limiter"
                " set next_slot = to_timestamp(%(far)s), taken_at = to_timestamp(%(far)s)",
                {"far": far},
            )
    limiter.wait()
    assert waits[-1] < 1


def test_limiter_with_many_waiting_keeps_the_rate(tmp_path: Path) -> None:
    waits: list[float] = []
    limiter = FileLimiter(tmp_path / "limiter", Pace(1), pause=waits.append, clock=lambda: 1000.0)
    for _ in range(200):
        limiter.wait()
    assert waits == [float(number) for number in range(200)]


def test_limiter_with_a_damaged_file_starts_again(tmp_path: Path) -> None:
    waits: list[float] = []
    for content in ("", "\0\0\0", "1.5"):
        (tmp_path / "limiter").write_text(content)
        FileLimiter(tmp_path / "limiter", pause=waits.append).wait()
    assert waits == [0, 0, 0]


def test_limiter_without_its_store_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    unreachable = "postgresql://nobody@127.0.0.1:9/none"
    for limiter in (FileLimiter(tmp_path / "file" / "limiter"), PostgresLimiter(unreachable)):
        with fault_shown(JOURNAL_UNAVAILABLE, location=..., reason=...):
            limiter.wait()


def test_two_processes_have_the_rate_of_one(database: str) -> None:
    PostgresLimiter(database, Pace(0.01)).wait()
    arguments = [sys.executable, "-c", PROCESS, database]
    processes = [
        subprocess.Popen(arguments, cwd=checkout(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    waits = sorted(float(wait) for one in processes for wait in one.communicate()[0].split())
    assert len(waits) == 40
    for before, after in pairwise(waits):
        assert after - before == pytest.approx(100, abs=30)


Waiting = tuple[SharedLimiter, list[float]]


@pytest.fixture(params=["file", "postgres"])
def slow(request: pytest.FixtureRequest, tmp_path: Path) -> Waiting:
    """A limiter of one request in ten seconds, and for how long each had to wait."""
    waits: list[float] = []
    if request.param == "file":
        return FileLimiter(tmp_path / "limiter", SLOW, pause=waits.append), waits
    return PostgresLimiter(request.getfixturevalue("database"), SLOW, pause=waits.append), waits


def test_burst_is_sent_at_once_and_then_the_rate_holds(slow: Waiting) -> None:
    limiter, waits = slow
    for _ in range(8):
        limiter.wait()
    assert waits[:6] == [0] * 6
    assert waits[6:] == [pytest.approx(10, abs=5), pytest.approx(20, abs=5)]


def test_slot_that_comes_too_late_is_not_taken(slow: Waiting) -> None:
    limiter, waits = slow
    for _ in range(6):
        limiter.wait()
    for _ in range(20):
        assert not limiter.wait_for_slot(0.1)
    assert limiter.wait_for_slot(30)
    assert waits[6:] == [pytest.approx(10, abs=5)]


def test_reserve_of_the_burst_is_left(slow: Waiting) -> None:
    limiter, _ = slow
    assert [limiter.wait_for_slot(-25) for _ in range(4)] == [True, True, True, False]
    assert limiter.wait_for_slot(0)


def test_refusal_of_the_provider_holds_back_all_processes(slow: Waiting) -> None:
    limiter, waits = slow
    limiter.hold(300)
    assert not limiter.wait_for_slot(60)
    assert limiter.wait_for_slot(310)
    assert waits == [pytest.approx(300, abs=5)]


def test_refusal_without_an_end_holds_back_for_some_minutes(slow: Waiting) -> None:
    limiter, waits = slow
    limiter.hold(1e12)
    limiter.wait()
    assert waits == [pytest.approx(LONGEST_HOLD, abs=5)]


def test_requests_and_their_waits_are_counted(database: str) -> None:
    limiter = PostgresLimiter(database, SLOW, pause=lambda _: None)
    for _ in range(8):
        limiter.wait()
    limiter.hold(1)
    with psycopg.connect(database) as connection:
        counted = connection.execute("select requests, waited, holds from purchase.limiter")
        assert counted.fetchone() == (8, pytest.approx(30, abs=10), 1)


def test_limiters_of_an_operation_use_one_connection_which_may_break(database: str) -> None:
    sessions = "select pid from pg_stat_activity where application_name = 'penguin-journal'"
    with (
        one_connection({"HOSTWINDS_JOURNAL": database}),
        psycopg.connect(database, autocommit=True) as admin,
    ):
        for provider in ("hostwinds", "cloudflare"):
            PostgresLimiter(database, Pace(1000, provider=provider)).wait()
        [(pid,)] = admin.execute(sessions).fetchall()
        PostgresLimiter(database, Pace(1000)).wait()
        assert admin.execute(sessions).fetchall() == [(pid,)]
        admin.execute("select pg_terminate_backend(%s, 5000)", [pid])
        PostgresLimiter(database, Pace(1000)).wait()
        assert len(admin.execute(sessions).fetchall()) == 1


def test_rate_is_kept_where_the_rows_were_removed(database: str) -> None:
    waits: list[float] = []
    limiter = PostgresLimiter(database, Pace(0.01), pause=waits.append)
    limiter.wait()
    with psycopg.connect(database) as connection:
        connection.execute("truncate purchase.limiter")
    assert limiter.wait_for_slot(0)
    assert not limiter.wait_for_slot(0)
    limiter.wait()
    assert waits == [0, 0, pytest.approx(100, abs=30)]


def test_rate_of_one_provider_does_not_delay_another(database: str) -> None:
    waits: list[float] = []
    busy = PostgresLimiter(database, Pace(0.01, provider="cloudflare"), pause=waits.append)
    for _ in range(3):
        busy.wait()
    PostgresLimiter(database, Pace(0.01), pause=waits.append).wait()
    assert waits[2] > 100
    assert waits[3] == 0


class Time:
    """Seconds that pass by pauses only."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def cloudflare(tmp_path: Path, time: Time) -> SharedLimiter:
    return FileLimiter(tmp_path / "limiter", pace_of(RATE), pause=time.pause, clock=time.clock)


def test_half_of_what_cloudflare_allows_is_sent_in_any_five_minutes(
    cloudflare: SharedLimiter, time: Time
) -> None:
    turns, sent = Turns(cloudflare), []
    while time.now < 1000 + 3 * WINDOW:
        assert turns.wait(60)
        sent.append(time.now)
    for begin in sent:
        assert sum(begin <= at < begin + WINDOW for at in sent) <= 600


def test_requests_that_nobody_waits_for_leave_room_for_others(
    cloudflare: SharedLimiter, time: Time
) -> None:
    background = Turns(cloudflare, background=True, pause=time.pause, clock=time.clock)
    for _ in range(300):
        background.wait(10)
    started = time.now
    asked = Turns(cloudflare)
    for _ in range(70):
        assert asked.wait(0)
    assert time.now == started
    assert not background.wait(10)
    assert asked.wait(0)


def test_rate_that_is_no_number_is_a_fault(tmp_path: Path) -> None:
    environment = {
        "HOSTWINDS_API_URL": "http://127.0.0.1:9",
        "HOSTWINDS_JOURNAL": str(tmp_path / "journal.json"),
        "CLOUDFLARE_RATE": "many",
    }
    with fault_shown(BAD_NUMBER, name="CLOUDFLARE_RATE", value="many"):
        wait_for_turn(environment, 0)


def test_without_a_journal_requests_are_not_limited() -> None:
    turns = Turns.from_environment({})
    assert all(turns.wait(0) for _ in range(1000))
