"""Leftovers are removed even if a part fails to stop; other files stay."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lab import leftovers
from lab.hosts import Hosts
from lab.internet import Internet
from lab.lock import alone


def test_internet_whose_part_fails_to_end_is_cleared(tmp_path: Path) -> None:
    cleared: list[Path] = []
    internet = Internet(tmp_path / "lab", tmp_path / "cache", lambda *_: None, cleared.append)

    def close() -> None:
        raise OSError("a guest's disk is busy")

    internet.machines = cast("Hosts", SimpleNamespace(close=close))
    with pytest.raises(OSError, match="busy"):
        internet.stop()
    assert cleared == [tmp_path / "lab"]


def test_layers_half_built_are_removed_and_finished_ones_kept(tmp_path: Path) -> None:
    for name in ("layers/.base-1/root/etc", "layers/base-0/root", "repositories/.2", "other/x"):
        (tmp_path / "lab" / name).mkdir(parents=True)
    leftovers.clear_builds(tmp_path)
    remaining = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("lab/*/*")}
    assert remaining == {"lab/layers/base-0", "lab/other/x"}


def test_disks_without_mounts_are_reported_as_left(tmp_path: Path) -> None:
    """As after a restart of the whole machine."""
    lock = tmp_path / "machine"
    assert "disks" not in leftovers.of(tmp_path, lock)
    disk = tmp_path / leftovers.HOSTS / "dns"
    disk.mkdir(parents=True)
    assert leftovers.of(tmp_path, lock)["disks"] == [str(disk)]


def test_machine_of_a_running_lab_is_not_reported_as_left(tmp_path: Path) -> None:
    lock = tmp_path / "machine"
    with alone(tmp_path, lock):
        assert leftovers.of(tmp_path, lock) == {}
    lock.touch()
    assert leftovers.of(tmp_path, lock)["lock file"] == [str(lock)]
