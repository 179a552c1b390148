"""A process is told from a later one of its number, also where the system has no /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit import processes
from kit.processes import identity, own_identity, runs


@pytest.fixture(params=["Linux", "another system"])
def system(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "Linux":
        monkeypatch.setattr(processes, "PROC", tmp_path)


def test_identity_of_a_living_process_stays(system: None) -> None:
    first = own_identity()
    assert first.startswith(f"{os.getpid()}.")
    assert identity(os.getpid()) == first
    assert runs(first)


def test_identity_of_one_that_has_ended_is_none_before_and_after_its_parent_took_note(
    system: None,
) -> None:
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as ended:
        noted = identity(ended.pid)
        assert ended.stdin is not None
        ended.stdin.close()
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert identity(ended.pid) is None
    assert identity(ended.pid) is None
    assert noted is not None
    assert not runs(noted)


@pytest.mark.parametrize("noted", ["", "1", "x.1", "1.", "-1.5", "{pid}.7"])
def test_runs_is_false_for_a_number_that_another_process_has_now(system: None, noted: str) -> None:
    assert not runs(noted.format(pid=os.getpid()))
