"""A lock of a dead engine of ours is removed, one of any other run is reported and kept."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.pulumi import faults
from controlplane.pulumi.engine import PulumiEngine
from controlplane.pulumi.owner import clear_stale_locks, recorded, started
from kit import processes
from kit.processes import own_identity
from stacks.backend import Stacks
from tests.support.faults import assert_shows, fault_shown

from .engine_records import dead_engine, dead_process, record, sleeping, write_lock
from .test_engine_faults import DEADLINE, fails

pytestmark = pytest.mark.engine


def test_lock_of_another_run_is_reported_and_kept(
    cloud_engine: PulumiEngine, blueprint: Blueprint, environment: dict[str, str]
) -> None:
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    lock = write_lock(environment, pid=dead_process(), host=socket.gethostname())
    error = fails(cloud_engine, blueprint)
    assert_shows(error, faults.LOCKED, holder=...)
    assert "carla@" in str(error)
    assert lock.exists()


def test_lock_of_a_dead_engine_of_ours_is_removed(
    cloud_engine: PulumiEngine, blueprint: Blueprint, environment: dict[str, str]
) -> None:
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    pid = dead_process()
    lock = write_lock(environment, pid=pid, host=socket.gethostname())
    record(environment, dead_engine(pid))  # and then it was killed
    assert cloud_engine.up(blueprint, print, deadline=DEADLINE).digest == blueprint.digest
    assert not lock.exists()


def test_lock_of_an_engine_of_another_machine_is_removed_when_that_is_silent(
    cloud_engine: PulumiEngine, blueprint: Blueprint, environment: dict[str, str]
) -> None:
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    lock = write_lock(environment, pid=7, host="elsewhere")
    file = record(environment, dead_engine(7, host="elsewhere", machine="another"))
    assert_shows(fails(cloud_engine, blueprint), faults.LOCKED, holder=..., stack="acme")
    assert lock.exists()
    an_hour_ago = time.time() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    assert cloud_engine.up(blueprint, print, deadline=DEADLINE).digest == blueprint.digest
    assert not lock.exists()
    assert not file.exists()


def test_engine_under_an_earlier_fence_is_ended(
    environment: dict[str, str], tmp_path: Path
) -> None:
    stacks, mark = Stacks(environment["PULUMI_BACKEND_URL"]), f"PENGUIN_OPERATION={tmp_path}"
    with sleeping(mark) as process, sleeping("ANOTHER=controller") as controller:
        own = started(process.pid, str(processes.identity(controller.pid)), mark, 3)
        stacks.record("acme", own)
        lock = write_lock(environment, pid=process.pid, host=own.host)
        with fault_shown(faults.LOCKED, holder=..., stack="acme"):
            clear_stale_locks(stacks, "acme", 3)
        assert process.poll() is None
        assert [one.pid for one in clear_stale_locks(stacks, "acme", 4)] == [process.pid]
        assert process.wait() == -signal.SIGKILL
    assert not lock.exists()


@pytest.mark.parametrize("fence", [None, 3])
def test_engine_of_an_earlier_operation_of_this_process_is_ended(
    environment: dict[str, str], tmp_path: Path, fence: int | None
) -> None:
    """That operation has ended; its engine was killed, and took long to exit."""
    stacks, mark = Stacks(environment["PULUMI_BACKEND_URL"]), f"PENGUIN_OPERATION={tmp_path}"
    with sleeping(mark) as process:
        own = started(process.pid, own_identity(), mark, 3)
        stacks.record("acme", own)
        lock = write_lock(environment, pid=process.pid, host=own.host)
        assert [one.pid for one in clear_stale_locks(stacks, "acme", fence)] == [process.pid]
        assert not processes.is_running(own.identity), "it was waited for"
    assert (lock.exists(), stacks.engines("acme")) == (False, [])


def test_lock_of_an_engine_that_does_not_exit_is_kept(environment: dict[str, str]) -> None:
    stacks = Stacks(environment["PULUMI_BACKEND_URL"])
    with sleeping("ANOTHER=mark") as process:  # so that it is not hit
        own = started(process.pid, own_identity(), "PENGUIN_OPERATION=unused", 3)
        stacks.record("acme", own)
        lock = write_lock(environment, pid=process.pid, host=own.host)
        with fault_shown(faults.LOCKED, holder=..., stack="acme"):
            clear_stale_locks(stacks, "acme", 4, within=0)
        assert [one for one, _ in stacks.engines("acme")] == [own]
    assert lock.exists()


def test_engine_whose_record_was_removed_is_ended(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Another machine has taken it for dead: it was suspended, and continues."""
    stacks, mark = Stacks(environment["PULUMI_BACKEND_URL"]), f"PENGUIN_OPERATION={tmp_path}"
    with sleeping(mark) as process:
        own = started(process.pid, own_identity(), mark, 3)
        with recorded(stacks, "acme", own, pause=0.01):
            assert [one for one, _ in stacks.engines("acme")] == [own]
            stacks.forget("acme", own)
            assert process.wait() == -signal.SIGKILL
