"""A process is told from a later one of its number, also where the system has no /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane.pulumi import owner
from controlplane.pulumi.owner import identity


@pytest.fixture(params=["Linux", "another system"])
def system(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "Linux":
        monkeypatch.setattr(owner, "PROC", tmp_path)


def test_a_living_process_keeps_its_identity(system: None) -> None:
    first = identity(os.getpid())
    assert first is not None
    assert first.startswith(f"{os.getpid()}:")
    assert identity(os.getpid()) == first


def test_one_that_has_ended_has_none_before_and_after_its_parent_took_note(system: None) -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as ended:
        assert ended.stdout is not None
        ended.stdout.read()  # closed by its end
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert identity(ended.pid) is None
    assert identity(ended.pid) is None
