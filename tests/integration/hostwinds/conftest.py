"""An emulated provider behind a real client, and both journals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from hostwinds.client import Client
from hostwinds.journal import Journal
from hostwinds.journal.file import FileJournal
from hostwinds.journal.postgres import PostgresJournal
from hostwinds.limiter import FileLimiter, Pace
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.app import create_app
from lab.memory import MemoryMachines, MemoryNameserver
from tests.support.emulator import Emulator

KEY = "a-key-that-must-never-be-printed"


class Clock:
    """A clock that advances only when it is waited on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def machines() -> MemoryMachines:
    return MemoryMachines()


@pytest.fixture
def hostwinds_account(machines: MemoryMachines, clock: Clock) -> Iterator[HostwindsAccount]:
    hostwinds_account = HostwindsAccount(
        machines, MemoryNameserver(), KEY, clock=clock, show_after=90
    )
    yield hostwinds_account
    hostwinds_account.close()


@pytest.fixture
def server(hostwinds_account: HostwindsAccount, clock: Clock) -> int:
    """A server that is listed."""
    service = hostwinds_account.order("acme-mx1-abc123", "52", 12)
    clock.pause(120)
    return service


@pytest.fixture
def url(emulator: Emulator, hostwinds_account: HostwindsAccount) -> str:
    emulator.app = create_app(hostwinds_account)
    return f"{emulator.url}/cloud/api.php"


@pytest.fixture
def client(url: str, tmp_path: Path) -> Iterator[Client]:
    limiter = FileLimiter(tmp_path / "limiter", Pace(1000))
    with Client(url, SecretStr(KEY), limiter, pause=lambda _: None) as client:
        yield client


@pytest.fixture(params=["file", "postgres"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    """A journal of each kind: every test that uses it runs twice.

    Tests with `database` show that it makes its tables where `penguin db upgrade` has not.
    """
    if request.param == "file":
        return FileJournal(tmp_path / "journal" / "journal.json")
    return PostgresJournal(request.getfixturevalue("upgraded"))
