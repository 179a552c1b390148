"""A lab holds its locks while it runs; a killed lab leaves its directory's name in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.faults import TAKEN
from lab.lock import MACHINE_LOCK, OWN_LOCK, alone, holder
from lab.running import RunningLab, running
from tests.support.faults import assert_shows, printed
from tests.support.labs import lab_of_this_process


def test_lock_held_by_another_checkout_names_it(tmp_path: Path) -> None:
    path = tmp_path / OWN_LOCK
    with alone(tmp_path / "f2af6c09", path, Path("/home/ann/my checkout")):
        shown = printed(alone(tmp_path / "second", path).__enter__)
    assert_shows(shown, TAKEN, owner="/home/ann/my checkout")


def test_lock_at_a_clean_end_and_at_a_failure_is_removed(tmp_path: Path) -> None:
    path = tmp_path / OWN_LOCK
    with alone(tmp_path, path) as killed:
        assert killed is None
    assert not path.exists()
    with pytest.raises(ValueError, match="trouble"), alone(tmp_path, path):
        raise ValueError("trouble")
    assert not path.exists()


def test_lock_of_a_killed_lab_yields_its_directory(tmp_path: Path) -> None:
    path = tmp_path / OWN_LOCK
    path.write_text("/some where/lab\n/home/ann/checkout with a long name\n")
    with alone(tmp_path, path) as killed:
        assert killed == Path("/some where/lab")
        path.with_name("copy").write_text(path.read_text())  # as if we were killed now
    with alone(tmp_path, path.with_name("copy")) as killed:
        assert killed == tmp_path


def test_holder_of_a_lock_is_a_living_process(tmp_path: Path) -> None:
    (tmp_path / OWN_LOCK).write_text(str(tmp_path))
    assert holder(tmp_path) is None
    with alone(tmp_path, tmp_path / OWN_LOCK):
        assert holder(tmp_path) is not None
    assert holder(tmp_path) is None


def test_holder_is_no_process_with_another_file_of_the_same_number(tmp_path: Path) -> None:
    """Inode numbers repeat across file systems, and `lab down` ends the holder."""
    (tmp_path / OWN_LOCK).write_text(str(tmp_path))
    number = (tmp_path / OWN_LOCK).stat().st_ino
    locks = tmp_path / "locks"
    locks.write_text(f"1: FLOCK  ADVISORY  WRITE {os.getpid()} 08:01:{number} 0 EOF\n")
    assert holder(tmp_path, locks) is None
    with (tmp_path / OWN_LOCK).open():
        assert holder(tmp_path, locks) == os.getpid()


def test_lock_of_the_machine_is_writable_by_root_only() -> None:
    directory = MACHINE_LOCK.parent.stat()
    assert directory.st_uid == 0
    assert not directory.st_mode & 0o022


@pytest.fixture
def own_lab() -> RunningLab:
    """The description of a lab that runs as this process."""
    return lab_of_this_process()


def test_lab_whose_process_number_was_reused_does_not_run(
    tmp_path: Path, own_lab: RunningLab
) -> None:
    own_lab.write(tmp_path)
    assert running(tmp_path) is not None
    own_lab.model_copy(update={"process": f"{os.getpid()}.1"}).write(tmp_path)
    assert running(tmp_path) is None


def test_holder_where_the_system_lists_no_locks_is_the_process_that_wrote_the_file(
    tmp_path: Path, own_lab: RunningLab
) -> None:
    """Linux alone has /proc/locks."""
    locks = tmp_path / "no such file"
    (tmp_path / OWN_LOCK).touch()
    assert holder(tmp_path, locks) is None
    own_lab.write(tmp_path)
    assert holder(tmp_path, locks) == os.getpid()
