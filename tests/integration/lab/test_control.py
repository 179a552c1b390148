"""A lab at API level as its own process: joined, interrupted, killed; nothing of it stays."""

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
from lab.place import FILE, LabPlace
from tests.support.faults import assert_shows, printed

Start = Callable[..., LabPlace]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "a lab"
    yield place
    control.stop(place)


@pytest.fixture
def start(directory: Path) -> Start:
    journal = {"HOSTWINDS_JOURNAL": str(directory / "journal.json")}

    def begin(progress: Callable[[str], None] = print) -> LabPlace:
        return control.start(directory, journal, progress, missing="this is a test")

    return begin


def test_it_is_joined_and_ended_once(start: Start, directory: Path) -> None:
    first = start()
    assert first.level == "api"
    assert start() == first
    assert control.stop(directory)
    assert not control.stop(directory)
    assert not (directory / FILE).exists()


def test_two_starts_at_once_make_one_lab(start: Start) -> None:
    found: list[LabPlace] = []
    both = [threading.Thread(target=lambda: found.append(start())) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert len(found) == 2
    assert found[0] == found[1]


def test_an_interrupted_start_leaves_nothing_running(start: Start, directory: Path) -> None:
    def interrupt(_: str) -> None:
        assert holder(directory) is not None
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(interrupt)
    assert holder(directory) is None
    assert not (directory / FILE).exists()
    assert not control.stop(directory)


def test_one_that_does_not_come_up_in_time_is_ended(
    start: Start, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "START_DEADLINE", -1.0)
    shown = printed(start)
    assert_shows(shown, FAILED, part="the start of the lab", reason="it took longer than -1 s")
    assert holder(directory) is None
    assert not control.stop(directory)


def test_lab_that_does_not_end_is_named(
    start: Start, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = start().pid
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(control, "STOP_DEADLINE", 0.1)
    assert_shows(printed(lambda: control.stop(directory)), REMAINS, what=f"process {pid}")
    monkeypatch.undo()
    os.kill(pid, signal.SIGCONT)


def test_a_killed_one_leaves_no_keys_behind(start: Start, directory: Path) -> None:
    pid = start().pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (directory / FILE).exists()
    assert control.stop(directory)
    assert not (directory / FILE).exists()
    assert not control.stop(directory)


def test_its_end_is_no_business_of_an_ordinary_user(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's lab runs beside: nothing of it is touched, and nobody is told that it has ended."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(control, "MACHINE_LOCK", tmp_path / "machine")
    (tmp_path / "machine").write_text("/root's/lab")
    directory.mkdir()
    assert not control.stop(directory)
    assert (tmp_path / "machine").exists()
