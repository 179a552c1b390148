"""A lab holds its locks as long as it lives, and leaves its name when it is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.lock import OWN_LOCK, alone, holder
from lab.place import LabError


def test_a_second_one_is_told_whose_it_is(tmp_path: Path) -> None:
    lock = tmp_path / OWN_LOCK
    first = alone(tmp_path / "first", lock)
    with first, pytest.raises(LabError) as refused, alone(tmp_path / "second", lock):
        pass
    assert refused.value.code == "lab.taken"
    assert str(tmp_path / "first") in str(refused.value)


def test_a_clean_end_removes_the_lock_and_a_failure_does_too(tmp_path: Path) -> None:
    lock = tmp_path / OWN_LOCK
    with alone(tmp_path, lock) as killed:
        assert killed is None
    assert not lock.exists()
    with pytest.raises(ValueError, match="trouble"), alone(tmp_path, lock):
        raise ValueError("trouble")
    assert not lock.exists()


def test_a_killed_one_is_named_to_the_next(tmp_path: Path) -> None:
    lock = tmp_path / OWN_LOCK
    lock.write_text("/somewhere/lab")
    with alone(tmp_path, lock) as killed:
        assert killed == Path("/somewhere/lab")


def test_the_holder_is_a_living_process_only(tmp_path: Path) -> None:
    (tmp_path / OWN_LOCK).write_text(str(tmp_path))
    assert holder(tmp_path) is None
    with alone(tmp_path, tmp_path / OWN_LOCK):
        assert holder(tmp_path) is not None
    assert holder(tmp_path) is None
