"""Several reconcilers sweep one account: one of them lists it, and a stopped one writes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.controlplane.sweeping_process import DIRECTORY, DSN
from tests.support.processes import suspended
from tests.support.waiting import wait_for

TENANT = "00000000-0000-7000-8000-000000000001"
HELD = "held"
"""While a file of this name exists, no listing is answered."""


class Replicas:
    """Processes that sweep, and the account that they list."""

    def __init__(self, directory: Path, dsn: str) -> None:
        self._directory = directory
        self._environment = {**os.environ, DSN: dsn, DIRECTORY: str(directory)}
        self._dsn = dsn

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.integration.controlplane.sweeping_process"]
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def shows(self, address: str) -> None:
        (self._directory / "address").write_text(address)

    def asked(self) -> list[int]:
        """Return the processes that have listed the account, in order."""
        file = self._directory / "asked"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def log(self) -> str:
        return (self._directory / "log").read_text()

    def recorded(self) -> str | None:
        row = self._row("select main_ip from oltp.listed_servers where service_id = 1001")
        return None if row is None else str(row[0])

    def passes(self) -> int:
        """Return how many passes were requested."""
        row = self._row("select requests from oltp.schedule")
        return 0 if row is None else int(row[0])

    def holder(self) -> int | None:
        """Return the process that lists the account now."""
        row = self._row("select lease_owner from oltp.sweeps where lease_until is not null")
        return None if row is None else int(row[0].partition("/")[2])

    def _row(self, query: str) -> tuple[Any, ...] | None:
        with psycopg.connect(self._dsn) as connection:
            return connection.execute(query.encode()).fetchone()


@pytest.fixture
def replicas(upgraded: str, tmp_path: Path) -> Replicas:
    with psycopg.connect(upgraded) as admin:
        admin.execute(
            "insert into oltp.tenants (id, name, generation, document, created_at, updated_at) "
            "values (%s, 'acme', 1, '{}', now(), now())",
            [TENANT],
        )
        admin.execute(
            "insert into oltp.hosts (tenant_id, name, incarnation, service_id) "
            "values (%s, 'mx1', 1, 1001)",
            [TENANT],
        )
        admin.execute(
            "insert into oltp.schedule (tenant_id, due_at, priority) values (%s, 'infinity', 2)",
            [TENANT],
        )
    made = Replicas(tmp_path, upgraded)
    made.shows("198.51.100.7")
    return made


@pytest.fixture
def start(replicas: Replicas) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    with ExitStack() as stack:

        def started() -> subprocess.Popen[bytes]:
            process = stack.enter_context(replicas.start())
            stack.callback(process.kill)
            return process

        yield started


def test_one_of_three_lists_and_all_use_what_it_found(
    replicas: Replicas, start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    (tmp_path / HELD).touch()
    started = [start() for _ in range(3)]
    wait_for(lambda: len(replicas.asked()) == 1)
    wait_for(lambda: replicas.log().count("waiting") >= 3 * 5)  # each has looked several times
    assert len(replicas.asked()) == 1
    (tmp_path / HELD).unlink()
    shown = [f"{process.pid} uses 198.51.100.7" for process in started]
    wait_for(lambda: all(line in replicas.log() for line in shown))


def test_listing_of_a_holder_that_was_stopped_is_not_used_and_another_lists(
    replicas: Replicas, start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    (tmp_path / HELD).touch()
    first = start()
    wait_for(lambda: replicas.asked() == [first.pid])
    with suspended(first.pid):
        replicas.shows("198.51.100.8")
        (tmp_path / HELD).unlink()
        second = start()
        wait_for(lambda: replicas.recorded() == "198.51.100.8")
        assert second.pid in replicas.asked()
        passes = replicas.passes()
    wait_for(lambda: "listing not used" in replicas.log())
    assert replicas.recorded() == "198.51.100.8"
    assert replicas.passes() == passes


def test_account_is_listed_by_another_process_when_its_holder_was_killed(
    replicas: Replicas, start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    (tmp_path / HELD).touch()
    first = start()
    wait_for(lambda: replicas.holder() == first.pid)
    first.send_signal(signal.SIGKILL)
    first.wait()
    (tmp_path / HELD).unlink()
    second = start()
    wait_for(lambda: replicas.recorded() == "198.51.100.7")
    assert replicas.asked() == [first.pid, second.pid]
