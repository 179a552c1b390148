"""What is missing for real hosts is said in one line."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from lab import cgroups, check, layers, network


def test_another_system_cannot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert check.missing(tmp_path) == "not Linux"


def test_an_ordinary_user_cannot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert check.missing(tmp_path) == "not root"


def test_absent_commands_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(check, "COMMANDS", ("sh", "no-such-command"))
    said = check.missing(tmp_path) or ""
    assert "no-such-command" in said
    assert "sh," not in said
    assert "apt install" in said


def test_a_colon_in_the_path_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(check, "COMMANDS", ())
    assert "colon" in (check.missing(tmp_path / "a:b") or "")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that passes what is tried out in namespaces."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(check, "COMMANDS", ())
    monkeypatch.setattr(check, "_says", lambda *_: None)
    monkeypatch.setattr(network, "rival", lambda: None)


def test_package_sources_of_another_system_are_said(
    able: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(layers, "SOURCES", (tmp_path / "none.sources",))
    assert "lacks package sources of Debian bookworm" in (check.missing(tmp_path) or "")


def test_control_groups_that_are_not_there_or_not_ours_are_said(
    able: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = tmp_path / "mounts"
    monkeypatch.setattr(cgroups, "MOUNTS", mounts)
    mounts.write_text("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n")
    assert check.missing(tmp_path) == "this machine lacks a mounted cgroup2"

    mounts.write_text("cgroup2 /proc/sys cgroup2 ro 0 0\n")
    monkeypatch.setattr(os, "access", lambda place, _: str(place) != "/proc/sys")
    assert check.missing(tmp_path) == "control groups are read-only (/proc/sys)"


def test_addresses_that_somebody_else_uses_are_said(
    able: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(network, "rival", lambda: "198.18.0.0/16 dev tun0")
    said = check.missing(tmp_path) or ""
    assert "in use" in said
    assert "tun0" in said
