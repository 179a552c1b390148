"""What is missing for real hosts is reported in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.check import Machine, missing


@pytest.fixture
def able(tmp_path: Path) -> Machine:
    """A machine on which real hosts run."""
    sources, mounts = tmp_path / "sources.list", tmp_path / "mounts"
    sources.write_text("deb http://packages.example/debian bookworm main\n")
    mounts.write_text("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    return Machine(
        system="Linux",
        is_root=True,
        commands=("sh",),
        attempt=lambda *_: None,
        sources=(sources,),
        mounts=mounts,
        is_writable=lambda _: True,
        conflicting_route=lambda: None,
    )


def test_machine_that_lacks_nothing_can_run_hosts(able: Machine, tmp_path: Path) -> None:
    assert missing(tmp_path, able) is None


@pytest.mark.parametrize(
    ("lacks", "reported"),
    [
        ({"system": "Darwin"}, "not Linux"),
        ({"is_root": False}, "not root"),
        ({"commands": ("sh", "no-such")}, "commands not found: no-such (apt install mmdebstrap"),
        ({"attempt": lambda *_: "denied"}, "namespaces are not permitted (CAP_SYS_ADMIN)"),
        ({"sources": (Path("/none.sources"),)}, "lacks package sources of Debian bookworm"),
        ({"is_writable": lambda _: False}, "control groups are read-only (/sys/fs/cgroup)"),
        (
            {"conflicting_route": lambda: "198.18.0.0/16 dev tun0"},
            "the lab's addresses are in use on this machine: 198.18.0.0/16 dev tun0",
        ),
    ],
)
def test_machine_that_lacks_something_is_told_what(
    able: Machine, tmp_path: Path, lacks: dict[str, Any], reported: str
) -> None:
    assert reported in (missing(tmp_path, replace(able, **lacks)) or "")


def test_machine_without_version_2_control_groups_is_told_so(able: Machine, tmp_path: Path) -> None:
    able.mounts.write_text("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n")
    assert missing(tmp_path, able) == "this machine lacks a mounted cgroup2"


def test_directory_whose_path_has_a_colon_is_refused(able: Machine, tmp_path: Path) -> None:
    assert "colon" in (missing(tmp_path / "a:b", able) or "")
