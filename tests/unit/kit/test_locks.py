"""A lock is waited for while its holder runs, and free when the holder was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from kit.locks import locked
from tests.support.waiting import SECONDS

HOLD = """
import sys
from pathlib import Path
from kit.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["directory", "missing file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path if request.param == "directory" else tmp_path / "below" / "lock"


def test_lock_held_by_another_is_waited_for_and_taken_after_it(path: Path) -> None:
    waiting, acquired = Event(), Event()

    def second() -> None:
        with locked(path, waiting.set):
            acquired.set()

    other = Thread(target=second)
    with locked(path, waiting.set):
        assert not waiting.is_set()
        other.start()
        assert waiting.wait(SECONDS)
        assert not acquired.is_set()
    assert acquired.wait(SECONDS)
    other.join()


def test_lock_of_a_killed_process_is_free(path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waited: list[str] = []
        holder.kill()
        holder.wait()
        with locked(path, lambda: waited.append("waiting")):
            assert not waited


def test_lock_file_removed_by_its_holder_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def remove() -> None:
        path.unlink()
        holder.__exit__(None, None, None)

    holder = locked(path)
    holder.__enter__()
    with locked(path, remove), pytest.raises(RuntimeError), locked(path, _refuse):
        pass


def _refuse() -> None:
    raise RuntimeError("held")


def test_lock_that_is_a_link_creates_no_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "nologin")
    with pytest.raises(OSError, match="link"), locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "nologin").exists()


def test_lock_that_is_created_can_be_held_by_its_owner_only(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
