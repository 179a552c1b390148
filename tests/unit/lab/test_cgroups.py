"""Processes of a group are listed while groups below it appear and vanish."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import cgroups

LISTINGS = 300


@contextmanager
def _changing(group: Path) -> Iterator[None]:
    """Create and remove groups below `group`, as the manager of a guest that boots does."""
    over = threading.Event()

    def change() -> None:
        child = group / "system.slice" / "short.service"
        while not over.is_set():
            child.mkdir(parents=True)
            child.rmdir()
            child.parent.rmdir()

    changing = threading.Thread(target=change)
    changing.start()
    try:
        yield
    finally:
        over.set()
        changing.join()


def test_groups_that_vanish_while_they_are_listed_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "init.scope").mkdir()
    (tmp_path / "init.scope" / "cgroup.procs").write_text("1\n41\n")
    with _changing(tmp_path):
        for _ in range(LISTINGS):
            assert cgroups.pids(tmp_path) == [1, 41]


def test_group_that_does_not_exist_has_no_processes(tmp_path: Path) -> None:
    assert cgroups.pids(tmp_path / "absent") == []
