"""The embedded servers survive kills, full disks, used ports and damaged files."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from kit.database import connection_options
from kit.paths import state_dir
from tests.support.faults import assert_shows, printed
from tests.support.processes import suspended
from tests.support.waiting import wait_for
from tools import faults
from tools.servers import Postgres, Valkey, shared_memory
from tools.servers.process import ACCOUNT, Account, is_running


@pytest.fixture
def directory(servers_dir: Path) -> Path:
    """A directory for the servers of one test; short, since socket paths are limited."""
    return servers_dir / uuid.uuid4().hex[:6]


@pytest.fixture
def postgres(directory: Path) -> Iterator[Postgres]:
    server = Postgres(directory / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey_alone(directory: Path) -> Iterator[Valkey]:
    server = Valkey(directory / "valkey")
    server.start()
    yield server
    server.stop()


class TestPostgres:
    def test_postgres_is_durable_and_requires_its_password(self, postgres: Postgres) -> None:
        with psycopg.connect(postgres.dsn()) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                row = connection.execute("select current_setting(%s)", [setting]).fetchone()
                assert row == ("on",)
        wrong_password_dsn = postgres.dsn().replace("//postgres:", "//postgres:wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong_password_dsn)

    def test_postgres_that_runs_is_adopted(self, postgres: Postgres, directory: Path) -> None:
        other = Postgres(directory / "postgres")
        other.start()
        assert other.pid() == postgres.pid()

    def test_postgres_killed_and_stopped_leaves_no_shared_memory(self, postgres: Postgres) -> None:
        pid = postgres.pid()
        assert pid is not None
        lines = (postgres.directory / "data" / "postmaster.pid").read_text()
        segment = shared_memory.segment_of(lines)
        assert segment is not None
        owner = (postgres.directory / "data").stat().st_uid
        assert shared_memory.attached(segment, owner)
        assert shared_memory.attached(segment, owner + 1) is None
        with psycopg.connect(postgres.dsn()) as connection:  # other types stay in /dev/shm
            kind = connection.execute("show dynamic_shared_memory_type").fetchone()
        assert kind == ("mmap",)
        os.kill(pid, signal.SIGKILL)
        postgres.stop()
        assert shared_memory.attached(segment, owner) is None

    def test_postgres_killed_keeps_data_and_address(
        self, postgres: Postgres, directory: Path
    ) -> None:
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute("create table kept as select 7 as n")
        dsn, pid = postgres.dsn(), postgres.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid, "postgres", directory / "postgres" / "data"))
        assert not postgres.is_healthy()

        postgres.start()

        assert postgres.dsn() == dsn
        with psycopg.connect(dsn) as connection:
            assert connection.execute("select n from kept").fetchone() == (7,)

    def test_postgres_without_its_password_file_is_refused_and_stopped(
        self, postgres: Postgres, directory: Path
    ) -> None:
        file = directory / "postgres" / "password"
        right = file.read_text()
        file.write_text("wrong")
        while_it_runs = printed(postgres.start)
        file.write_text(right)
        postgres.stop()
        file.unlink()
        at_start = printed(postgres.start)
        for shown in (while_it_runs, at_start):
            assert_shows(shown, faults.PASSWORD_REFUSED, file=file)
        assert postgres.pid() is None

    def test_process_number_that_was_reused_is_no_server(
        self, postgres: Postgres, directory: Path
    ) -> None:
        other = Postgres(directory / "other")
        other.start()
        try:
            postgres.stop()
            lines = (directory / "other" / "data" / "postmaster.pid").read_text()
            (directory / "postgres" / "data" / "postmaster.pid").write_text(lines)
            assert postgres.pid() is None
            postgres.stop()
            assert other.is_healthy()
            postgres.start()
            assert postgres.pid() != other.pid()
        finally:
            other.stop()

    def test_postgres_started_twice_at_once_is_one_server(self, directory: Path) -> None:
        servers = [Postgres(directory / "postgres", durable=False) for _ in range(2)]
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(server.start) for server in servers]:
                started.result()
        try:
            assert servers[0].pid() == servers[1].pid() is not None
        finally:
            servers[0].stop()

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
    def test_postgres_on_a_full_disk_is_refused(self, directory: Path) -> None:
        directory.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(directory)]
        subprocess.run(mount, check=True)
        postgres = Postgres(directory / "postgres")
        try:
            postgres.start()
            postgres.stop()
            (directory / "fill").write_bytes(b"x" * (shutil.disk_usage(directory).free - 4096))
            for server in (postgres, Postgres(directory / "new"), Valkey(directory / "valkey")):
                assert_shows(printed(server.start), faults.DISK_FULL, server=server.title)
            (directory / "fill").unlink()
            postgres.start()
        finally:
            postgres.stop()
            subprocess.run(["umount", str(directory)], check=True)

    def test_postgres_stopped_twice_stays_stopped(self, postgres: Postgres) -> None:
        postgres.stop()
        postgres.stop()
        assert postgres.pid() is None

    def test_postgres_with_a_damaged_cluster_names_its_log(
        self, postgres: Postgres, directory: Path
    ) -> None:
        postgres.stop()
        (directory / "postgres" / "data" / "global" / "pg_control").unlink()
        shown = printed(postgres.start)
        assert_shows(shown, faults.START_FAILED, reason=...)
        assert "pg_control" in shown
        assert f"at: {directory / 'postgres' / 'server.log'}" in shown


class TestValkey:
    def test_valkey_keeps_its_data_and_requires_its_password(self, valkey_alone: Valkey) -> None:
        with redis.Redis.from_url(valkey_alone.url()) as client:
            client.set("kept", "7")
        valkey_alone.stop()
        valkey_alone.start()
        with redis.Redis.from_url(valkey_alone.url()) as client:
            assert client.get("kept") == b"7"
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        stranger = redis.Redis.from_url(valkey_alone.url().replace("unix://:", "unix://:x"))
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()

    def test_valkey_killed_and_started_keeps_its_address(
        self, valkey_alone: Valkey, directory: Path
    ) -> None:
        url, pid = valkey_alone.url(), valkey_alone.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_running(pid, "valkey-server", directory / "valkey" / "data"))
        valkey_alone.start()
        assert valkey_alone.url() == url

    def test_valkey_that_refuses_the_password_keeps_running(
        self, valkey_alone: Valkey, directory: Path
    ) -> None:
        file, pid = directory / "valkey" / "password", valkey_alone.pid()
        right = file.read_text()
        file.write_text("wrong")
        shown = printed(valkey_alone.start)
        assert_shows(shown, faults.PASSWORD_REFUSED, server="Valkey", file=file)
        file.write_text(right)
        valkey_alone.start()
        assert valkey_alone.pid() == pid

    def test_valkey_stopped_by_a_signal_is_unresponsive(
        self, valkey_alone: Valkey, directory: Path
    ) -> None:
        pid = valkey_alone.pid()
        assert pid is not None
        impatient = Valkey(directory / "valkey", reaction_seconds=0.5)
        with suspended(pid):
            for call, reaction in ((impatient.start, "answer"), (impatient.stop, "stop")):
                assert_shows(printed(call), faults.UNRESPONSIVE, pid=pid, reaction=reaction)

    def test_password_of_valkey_is_in_no_argument_and_no_readable_file(
        self, valkey_alone: Valkey, directory: Path
    ) -> None:
        password = (directory / "valkey" / "password").read_text()
        arguments = Path(f"/proc/{valkey_alone.pid()}/cmdline").read_bytes()
        assert password.encode() not in arguments
        assert stat.S_IMODE((directory / "valkey" / "password").stat().st_mode) == 0o600


def test_state_directory_has_a_path_that_servers_accept() -> None:
    assert ":" not in str(state_dir())
    assert " " not in str(state_dir())


AS_ACCOUNT = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root runs servers as another account"
)


@AS_ACCOUNT
class TestAccount:
    """What the servers' account can do harms nobody but the servers."""

    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        """A file of root that links point to."""
        file = tmp_path / "outside"
        file.write_text("root's")
        file.chmod(0o600)
        tmp_path.chmod(0o755)
        return file

    @staticmethod
    def as_account(script: str, *arguments: Path) -> None:
        """Run a shell script as the account of the servers; its failures are what is wanted."""
        command = ["/bin/sh", "-c", script, "sh", *map(str, arguments)]
        subprocess.run(command, check=False, capture_output=True, **Account.for_servers().switch)

    def test_servers_have_an_account_that_no_other_program_uses(
        self, postgres: Postgres, valkey_alone: Valkey
    ) -> None:
        for server in (postgres, valkey_alone):
            pid = server.pid()
            assert pid is not None
            users = psutil.Process(pid).uids()
            assert {users.real, users.effective, users.saved} == {pwd.getpwnam(ACCOUNT).pw_uid}
            assert psutil.Process(pid).gids().effective == grp.getgrnam(ACCOUNT).gr_gid
            owner = server.directory.stat()
            assert (owner.st_uid, stat.S_IMODE(owner.st_mode)) == (0, 0o711)

    @pytest.mark.parametrize("kind", [Postgres, Valkey])
    def test_links_of_the_account_are_never_followed(
        self, directory: Path, outside: Path, kind: type[Postgres | Valkey]
    ) -> None:
        server = kind(directory / "server")
        server.start()
        server.stop()
        plant = """
        for name in lock password server.log command.log .initdb-password data.new pid socket
        do rm -f "$1/$name"; ln -sfn "$2" "$1/$name"; done
        mv "$1/data" "$1/moved"; ln -sfn "$2" "$1/data"
        for name in pid postmaster.pid .s.PGSQL.5432.lock socket
        do ln -sfn "$2" "$1/data/$name"; done
        """
        self.as_account(plant, server.directory, outside)
        server.start()
        try:
            assert server.is_healthy()
            assert outside.read_text() == "root's"
            status = outside.stat()
            assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 0, 0o600)
        finally:
            server.stop()
        assert outside.exists()

    @pytest.mark.parametrize("kind", [Postgres, Valkey])
    def test_directory_of_an_earlier_version_is_taken_without_its_links(
        self, directory: Path, outside: Path, kind: type[Postgres | Valkey]
    ) -> None:
        server = kind(directory / "server")
        server.start()
        server.stop()
        subprocess.run(["chown", "-R", "nobody:nogroup", server.directory / "data"], check=True)
        shutil.chown(server.directory, "nobody", "nogroup")
        (server.directory / "data" / "planted").symlink_to(outside)
        (server.directory / "data" / "of-root").write_text("")
        for name in ("lock", "server.log", "command.log", ".initdb-password"):
            (server.directory / name).unlink(missing_ok=True)
            (server.directory / name).symlink_to(outside)
        server.start()
        try:
            assert server.is_healthy()
        finally:
            server.stop()
        assert outside.read_text() == "root's"
        assert outside.stat().st_uid == 0
        assert (server.directory / "data" / "of-root").stat().st_uid == 0

    @pytest.mark.parametrize("kind", [Postgres, Valkey])
    @pytest.mark.parametrize("owner", ["nobody", "4711"])
    def test_state_directory_of_another_account_is_refused_and_stays_as_it_is(
        self, directory: Path, outside: Path, kind: type[Postgres | Valkey], owner: str
    ) -> None:
        directory.mkdir()
        (directory / "server").symlink_to(outside.parent)
        subprocess.run(["chown", owner, directory], check=True)
        before = outside.parent.stat()
        shown = printed(kind(directory / "server").start)
        assert_shows(shown, faults.FOREIGN_DIRECTORY, directory=directory, account=owner)
        assert outside.parent.stat() == before
        assert sorted(outside.parent.iterdir()) == [outside]

    def test_pipe_instead_of_a_file_delays_nobody(self, directory: Path) -> None:
        for server, name in (
            (Postgres(directory / "a"), "postmaster.pid"),
            (Valkey(directory / "b"), "pid"),
        ):
            server.start()
            server.stop()
            self.as_account('mkfifo "$1"', server.directory / "data" / name)
            assert server.pid() is None
            server.start()
            server.stop()

    def test_account_that_cannot_be_created_is_named(self) -> None:
        shown = printed(lambda: Account.for_servers("no such:account"))
        assert_shows(shown, faults.NO_ACCOUNT, account="no such:account", reason=...)
        assert "useradd" in shown

    def test_directory_that_the_account_cannot_reach_is_refused(self, directory: Path) -> None:
        (directory / "closed").mkdir(parents=True, mode=0o700)
        for server in (Postgres(directory / "closed" / "a"), Valkey(directory / "closed" / "b")):
            shown = printed(server.start)
            assert_shows(shown, faults.NOT_REACHABLE, directory=server.directory)

    def test_process_of_another_account_is_no_server(self, valkey_alone: Valkey) -> None:
        pid = valkey_alone.pid()
        assert pid is not None
        data = valkey_alone.directory / "data"
        assert is_running(pid, "valkey-server", data)
        os.chown(data, 0, 0)
        assert not is_running(pid, "valkey-server", data)
        os.chown(data, *Account.for_servers().owner)


def test_servers_listen_at_no_port(postgres: Postgres, valkey_alone: Valkey) -> None:
    for server in (postgres, valkey_alone):
        pid = server.pid()
        assert pid is not None
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        assert not [c for one in family for c in one.net_connections("inet")]
        assert stat.S_IMODE((server.directory / "data").stat().st_mode) == 0o700


def test_password_is_not_sent_in_clear_text(servers_dir: Path) -> None:
    """A server that took the address of ours, and requests the password in clear text."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:

        def answer() -> None:
            stream, _ = taken.accept()
            with stream:
                request = stream.recv(1024)
                if request[4:8] == b"\x04\xd2\x16\x2f":  # TLS?
                    stream.sendall(b"N")
                    stream.recv(1024)
                stream.sendall(b"R\0\0\0\x08\0\0\0\x03")  # AuthenticationCleartextPassword
                received.append(stream.recv(1024))

        thief = threading.Thread(target=answer)
        thief.start()
        dsn = f"postgresql://postgres:secret-word@127.0.0.1:{taken.getsockname()[1]}/penguin"
        with pytest.raises(psycopg.OperationalError, match="authentication method requirement"):
            psycopg.connect(dsn, **connection_options("penguin-test"))
        thief.join()
    assert b"secret-word" not in b"".join(received)
