"""A lab at API level in its own process, started twice, interrupted or killed, leaves nothing."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import control
from lab.faults import FAILED, REMAINS
from lab.lock import holder
from lab.running import FILE, RunningLab
from tests.support.faults import assert_shows, printed
from tests.support.processes import suspended

Start = Callable[..., RunningLab]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "a lab"
    yield directory
    control.stop(directory)


@pytest.fixture
def start(directory: Path) -> Start:
    journal = {"HOSTWINDS_JOURNAL": str(directory / "journal.json")}

    def start_lab(progress: Callable[[str], None] = print, deadline: float = 60) -> RunningLab:
        return control.start(
            directory, journal, progress, missing="this is a test", deadline=deadline
        )

    return start_lab


def test_lab_started_twice_is_one_and_ends_once(start: Start, directory: Path) -> None:
    first = start()
    assert first.level == "api"
    assert start() == first
    assert control.stop(directory)
    assert not control.stop(directory)
    assert not (directory / FILE).exists()


def test_lab_started_twice_at_once_is_one(start: Start) -> None:
    labs: list[RunningLab] = []
    threads = [threading.Thread(target=lambda: labs.append(start())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(labs) == 2
    assert labs[0] == labs[1]


def test_start_that_is_interrupted_leaves_nothing_running(start: Start, directory: Path) -> None:
    def interrupt(_: str) -> None:
        assert holder(directory) is not None
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(interrupt)
    assert holder(directory) is None
    assert not (directory / FILE).exists()
    assert not control.stop(directory)


def test_lab_that_does_not_come_up_in_time_is_ended(start: Start, directory: Path) -> None:
    shown = printed(lambda: start(deadline=0))
    assert_shows(shown, FAILED, part="the start of the lab", reason="it took longer than 0 s")
    assert holder(directory) is None
    assert not control.stop(directory)


def test_lab_that_does_not_end_is_named(start: Start, directory: Path) -> None:
    pid = start().pid
    with suspended(pid):
        shown = printed(lambda: control.stop(directory, deadline=0.1))
        assert_shows(shown, REMAINS, what=f"process {pid}")


def test_lab_that_was_killed_leaves_no_keys_after_stop(start: Start, directory: Path) -> None:
    pid = start().pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (directory / FILE).exists()
    assert control.stop(directory)
    assert not (directory / FILE).exists()
    assert not control.stop(directory)


def test_lab_of_root_is_not_stopped_by_another_user(directory: Path, tmp_path: Path) -> None:
    lock = tmp_path / "machine"
    lock.write_text("/root's/lab")
    directory.mkdir()
    assert not control.stop(directory, machine_lock=lock, is_root=False)
    assert lock.exists()
