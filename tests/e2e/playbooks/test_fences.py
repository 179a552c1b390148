"""A run that was stopped for longer than its lease changes nothing more on a host."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from controlplane.ansible import host_fence
from controlplane.ansible.configurator import AnsibleConfigurator
from controlplane.ansible.faults import RUN_UNDER_WAY, SUPERSEDED, UNREACHABLE
from controlplane.ansible.private_directory import PREFIX, default_root
from controlplane.reconciler.ports import Login
from kit.faults import Fault, line
from kit.processes import identity
from tests.support.configurator_conformance import check_run_with_a_smaller_token_is_refused
from tests.support.faults import assert_shows, fault_shown
from tests.support.processes import mentioning, suspended, tree
from tests.support.waiting import SECONDS, wait_for

from .conftest import TOKENS, MailHost, playbooks_of
from .test_base import HOLD, RELEASE

pytestmark = pytest.mark.hosts

OLDER = {"name": "older", "key": "ssh-ed25519 AAAA"}
AT_ONCE = timedelta(0)
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def mail_host(mail_host: MailHost, tmp_path: Path) -> Iterator[MailHost]:
    """The host, configured by all roles; runs of these tests have one."""
    (tmp_path / "playbooks").mkdir()
    yield replace(mail_host, playbooks=playbooks_of(tmp_path / "playbooks", "base"))
    mail_host.shell(RELEASE)


@dataclass(frozen=True)
class Older:
    """A run in a process of its own, which would create an account on the host."""

    process: multiprocessing.process.BaseProcess
    result: Connection

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop all its processes during the block, connections included."""
        pid = self.process.pid
        assert pid is not None
        shared = mentioning(default_root() / f"{PREFIX}{identity(pid)}")  # ssh's connection
        pids = dict.fromkeys([*tree(pid), *shared])
        with suspended(*pids):
            yield

    def end(self) -> str:
        """Wait for its end; return what its fault says."""
        assert self.result.poll(SECONDS)
        return str(self.result.recv())


def configure(host: MailHost, token: int, *users: object, **settings: Any) -> int:
    """Run the playbooks with accounts, and with other settings of the configurator."""
    usual = host.configurator(base_users=users)._settings
    return AnsibleConfigurator(replace(usual, **settings)).configure(
        host.blueprint,
        host.observed,
        host.secrets,
        known_host=host.known_host,
        progress=host.lines.append,
        fence=token,
    )


def _configure(host: MailHost, token: int, result: Connection) -> None:
    try:
        result.send(f"{configure(host, token, OLDER)} changes")
    except Fault as fault:
        result.send(line(fault))


@pytest.fixture
def older(mail_host: MailHost) -> Iterator[Older]:
    """A run that is in the middle of a command on the host, before it creates accounts."""
    mail_host.shell(HOLD)
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_configure, args=(mail_host, next(TOKENS), theirs))
    process.start()
    wait_for(lambda: ours.poll() or mail_host.shell("pgrep -x dpkg-query"), longest_pause=1)
    assert not ours.poll(), ours.recv()
    yield Older(process, ours)
    process.kill()
    process.join()


def accounts(host: MailHost) -> str:
    return host.shell("getent passwd older")


def test_stopped_run_is_refused_when_it_continues(mail_host: MailHost, older: Older) -> None:
    with older.stopped():
        mail_host.shell(RELEASE)
        mail_host.configure()

    assert_shows(older.end(), SUPERSEDED)
    assert accounts(mail_host) == ""
    assert mail_host.configure() == 0


def test_command_of_a_stopped_run_is_ended(mail_host: MailHost, older: Older) -> None:
    with older.stopped():
        mail_host.shell("rm /usr/local/bin/dpkg-query")
        configure(mail_host, next(TOKENS), command_patience=AT_ONCE)
        assert mail_host.shell("pgrep -x dpkg-query") == ""

    assert_shows(older.end(), SUPERSEDED)
    assert accounts(mail_host) == ""


def test_run_with_a_smaller_token_is_refused_before_its_first_task(mail_host: MailHost) -> None:
    lines: list[str] = []

    def run(token: int) -> int:
        lines.clear()
        return replace(mail_host, lines=lines).configure(token=token)

    check_run_with_a_smaller_token_is_refused(run, next(TOKENS), next(TOKENS))
    assert lines == []


def test_later_run_cuts_the_ways_to_ports_of_the_host(mail_host: MailHost) -> None:
    earlier, later = (
        Login(mail_host.known_host, mail_host.secrets.ssh_private_key, next(TOKENS))
        for _ in range(2)
    )
    with (
        host_fence.raised(mail_host.observed, earlier, to=("127.0.0.1", 22)) as session,
        socket.socket(socket.AF_UNIX) as way,
    ):
        way.connect(str(session.socket))
        assert way.recv(4) == b"SSH-"
        with host_fence.raised(mail_host.observed, later):
            pass
        while way.recv(65536):
            continue


def test_second_run_with_the_same_token_is_refused(mail_host: MailHost) -> None:
    token = next(TOKENS)
    login = Login(mail_host.known_host, mail_host.secrets.ssh_private_key, token)
    with host_fence.raised(mail_host.observed, login), fault_shown(RUN_UNDER_WAY):
        configure(mail_host, token, command_patience=AT_ONCE)

    assert configure(mail_host, token) == 0


def test_run_that_loses_its_lock_is_ended(mail_host: MailHost, older: Older) -> None:
    mail_host.shell("pkill -x cat")  # holds the lock

    assert_shows(older.end(), UNREACHABLE, reason=host_fence.LOST)


def test_token_outlives_a_restart_of_the_host(mail_host: MailHost) -> None:
    directory = host_fence.PROGRAM.rpartition("/")[0]
    mail_host.configure()

    shown = mail_host.shell(
        f"df --output=fstype {directory} | tail -1; stat -c '%A %U' {directory}/*"
    )

    fstype, *files = shown.splitlines()
    assert fstype != "tmpfs"
    assert {line.split()[1] for line in files} == {"root"}
    assert all(line[5] == line[8] == "-" for line in files), "only root writes there"
