"""The disk of the embedded database is full: a fault is shown, nothing lost or bought twice."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from controlplane.faults import DATABASE_UNAVAILABLE
from kit.paths import checkout
from tests.support.command_line import environment_of, run, run_printed
from tests.support.faults import assert_shows
from tests.support.small_disk import CAN_MOUNT, SmallDisk
from tests.support.waiting import SECONDS, wait_for
from tools.servers import Postgres, Valkey

from .conftest import Cloud
from .control_plane import FILE, CommandOutput

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not CAN_MOUNT, reason="needs root to mount a small disk"),
]

LONG_ENTRY = "select pg_logical_emit_message(false, 'x', repeat('x', 1 << 20))"
"""Adds a megabyte to PostgreSQL's write-ahead log."""


class Installation:
    """One state directory with its embedded servers, a control plane, and the commands."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = environment_of(directory)
        self.postgres = Postgres(directory / "postgres")
        self.log = directory / "log" / "control-plane.jsonl"

    def do(self, *arguments: str) -> None:
        """Run a command in this process."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            assert run(*arguments) == 0

    def penguin(self, *arguments: str) -> CommandOutput:
        done = run_printed(*arguments, environment=self.environment)
        assert "Traceback" not in done.stdout + done.stderr
        return CommandOutput(done.returncode, done.stdout, done.stderr)

    def refused_writes_of_state(self) -> int:
        """Count the transactions that the database of the engine's state has rolled back."""
        with psycopg.connect(self.postgres.dsn()) as connection:
            row = connection.execute(
                "select xact_rollback from pg_stat_database where datname = 'penguin_state'"
            ).fetchone()
        assert row is not None
        return int(row[0])

    def begin_log_segment(self) -> None:
        """Let PostgreSQL create a file of its write-ahead log, for what it writes on a full disk.

        It refuses a transaction without space for tables, and ends without space for its log.
        """
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as admin:
            admin.execute("select pg_switch_wal()")
            admin.execute("select pg_logical_emit_message(true, 'x', 'x')")  # commits, so flushes

    @contextmanager
    def serving(self, environment: dict[str, str]) -> Iterator[None]:
        """Run API and reconciler without hosts; state and journal are on the disk as well."""
        with psycopg.connect(self.postgres.dsn(), autocommit=True) as admin:
            admin.execute("create database penguin_state")
        state = self.postgres.dsn("penguin_state").replace("postgresql://", "postgres://")
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.serve", "api", "reconciler"],
            cwd=checkout(),
            env={
                **environment,
                **self.environment,
                "PATH": environment["PATH"],
                "PULUMI_BACKEND_URL": state,
                "HOSTWINDS_JOURNAL": self.postgres.dsn("penguin"),
            },
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for((self.directory / "serve.json").exists)
            yield
        finally:
            process.terminate()
            status = process.wait(SECONDS)
        assert status == 0


@pytest.fixture
def directory(servers_dir: Path) -> Path:
    """A short path, since the paths of sockets are limited."""
    return servers_dir / uuid.uuid4().hex[:6]


@pytest.fixture
def disk(directory: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(directory / "postgres")
    yield disk
    disk.remove()


@pytest.fixture
def installation(
    directory: Path, disk: SmallDisk, environment: dict[str, str]
) -> Iterator[Installation]:
    installation = Installation(directory)
    try:
        for command in (("init",), ("db", "upgrade")):
            installation.do(*command)
        with installation.serving(environment):
            yield installation
    finally:
        installation.postgres.stop()
        Valkey(directory / "valkey").stop()


def test_full_disk_is_shown_and_its_repair_needs_no_second_purchase(
    installation: Installation, disk: SmallDisk, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    penguin = installation.penguin
    file = installation.directory / "acme.yaml"
    file.write_text(FILE)

    installation.begin_log_segment()
    disk.fill()
    refused = penguin("apply", "-f", str(file))
    assert refused.status == 1
    assert "error[database.disk_full]" in refused.err
    assert f"at: {file}" in refused.err
    assert "do: free space on the disk of PostgreSQL's data directory" in refused.err
    assert "DiskFull" in installation.log.read_text()
    assert cloud.bought() == []
    disk.empty()

    refused_before: list[int] = []

    class Ledger(list[dict[str, str]]):
        """The provider's ledger: the disk is full as soon as something is bought."""

        def append(self, paid: dict[str, str]) -> None:
            super().append(paid)
            installation.begin_log_segment()
            disk.fill()
            refused_before.append(installation.refused_writes_of_state())

    cloud.hostwinds.ledger = Ledger()
    assert penguin("apply", "-f", str(file)).status == 0
    wait_for(lambda: refused_before)
    wait_for(lambda: installation.refused_writes_of_state() > refused_before[0])
    disk.empty()
    waited = penguin("wait", "tenant", "acme", "--for=condition=DnsReady", "--timeout=240s")
    assert waited.status == 0, waited.out + waited.err
    assert cloud.bought() == ["server"]


def test_database_ended_by_a_full_disk_starts_again_with_space(
    installation: Installation, disk: SmallDisk
) -> None:
    penguin, postgres = installation.penguin, installation.postgres
    file = installation.directory / "acme.yaml"
    file.write_text(FILE)
    disk.fill()
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        for _ in range(100):  # until no further segment of the write-ahead log can be created
            try:
                connection.execute(LONG_ENTRY)
            except psycopg.OperationalError:
                break
    wait_for(lambda: postgres.pid() is None)
    refused = penguin("apply", "-f", str(file))
    assert_shows(refused.err, DATABASE_UNAVAILABLE)
    wait_for(lambda: "servers.disk_full" in installation.log.read_text())

    disk.empty()

    wait_for(lambda: penguin("apply", "-f", str(file)).status == 0, longest_pause=1)
    assert '"trouble": "ended"' in installation.log.read_text()
