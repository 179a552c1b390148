"""A process and a later one with the same PID differ, also on systems without /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit.processes import PROC, has_ended, identity, is_running, own_identity


@pytest.fixture(params=["Linux", "another system"])
def proc(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The directory of processes; empty where the system is not Linux."""
    return PROC if request.param == "Linux" else tmp_path


def test_identity_of_a_living_process_stays(proc: Path) -> None:
    first = own_identity(proc)
    assert first.startswith(f"{os.getpid()}.")
    assert identity(os.getpid(), proc) == first
    assert is_running(first, proc)


def test_identity_of_an_ended_process_is_none_before_and_after_its_parent_waited(
    proc: Path,
) -> None:
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as ended:
        recorded = identity(ended.pid, proc)
        assert ended.stdin is not None
        ended.stdin.close()
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert identity(ended.pid, proc) is None
    assert identity(ended.pid, proc) is None
    assert recorded is not None
    assert not is_running(recorded, proc)


def test_process_is_waited_for_until_it_has_ended() -> None:
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as process:
        recorded = str(identity(process.pid))
        assert not has_ended(recorded, within=0)
        process.kill()
        assert has_ended(recorded, within=60)


@pytest.mark.parametrize("recorded", ["", "1", "x.1", "1.", "-1.5", "{pid}.7"])
def test_runs_is_false_for_a_number_that_another_process_has_now(proc: Path, recorded: str) -> None:
    assert not is_running(recorded.format(pid=os.getpid()), proc)
