"""Writes are atomic: an interrupted one leaves the old file or the new one."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from kit import files
from kit.launchers import write_launcher
from tests.support.points import Killed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [files.PRIVATE, files.READABLE, files.EXECUTABLE])
def test_write_gives_content_and_mode_with_any_umask(path: Path, mode: int) -> None:
    before = os.umask(0o177)
    try:
        files.write(path, "first", mode=mode)
        files.write(path, "sécond", mode=mode)
    finally:
        os.umask(before)
    assert path.read_text() == "sécond"
    assert mode_of(path) == mode
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022, 0o077])
def test_what_is_made_is_open_to_no_other_writer_with_any_umask(path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        files.protect_new()
        path.mkdir()
        (path / "file").touch()
    finally:
        os.umask(before)
    assert mode_of(path) == 0o777 & ~(mask | 0o022)
    assert mode_of(path / "file") == 0o666 & ~(mask | 0o022)


@pytest.mark.parametrize("point", ["fsync", "fchmod", "replace"])
def test_write_interrupted_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    files.write(path, "old")

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, point, killed)
        with pytest.raises(Killed):
            files.write(path, "new")
    assert path.read_text() == "old"
    files.write(path, "new")
    assert path.read_text() == "new"


def test_create_of_a_file_that_exists_is_refused(path: Path) -> None:
    files.create(path, b"first", mode=files.PRIVATE)
    with pytest.raises(FileExistsError):
        files.create(path, b"second", mode=files.PRIVATE)
    assert path.read_bytes() == b"first"
    assert mode_of(path) == files.PRIVATE
    assert list(path.parent.iterdir()) == [path]


def test_link_points_to_the_last_target(path: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "a", tmp_path / "a", tmp_path / "b"):
        files.link(path, target)
        assert path.readlink() == target
    assert list(path.parent.iterdir()) == [path]


def test_launcher_runs_its_module_with_the_arguments_from_anywhere(tmp_path: Path) -> None:
    launcher = write_launcher(tmp_path / "bin" / "a name", "platform", comment="of this test")
    done = subprocess.run(
        [launcher, "terse"], capture_output=True, text=True, check=True, cwd="/", timeout=60
    )
    assert "Linux" in done.stdout or "Darwin" in done.stdout
    assert "# of this test\n" in launcher.read_text()
    written = launcher.stat().st_mtime_ns
    write_launcher(launcher, "platform", comment="of this test")
    assert launcher.stat().st_mtime_ns == written


def test_copy_replaces_a_file_by_a_second_name_of_the_original(tmp_path: Path) -> None:
    original, path = tmp_path / "original", tmp_path / "copy"
    original.write_text("new")
    path.write_text("old")
    files.copy(path, original)
    assert path.samefile(original)
    assert sorted(tmp_path.iterdir()) == [path, original]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file or directory that another account lets a link of its own point to."""
    outside = tmp_path / "outside"
    outside.write_text("ours")
    outside.chmod(0o600)
    return outside


def test_writer_follows_no_link_that_another_account_has_placed(path: Path, outside: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}")
    for name in (path, temporary):
        name.symlink_to(outside)
    files.write(path, "new", mode=files.READABLE)
    assert (path.read_text(), path.is_symlink()) == ("new", False)
    path.unlink()
    path.symlink_to(outside)
    with files.open_new(path) as file:
        file.write(b"log")
    assert (outside.read_text(), mode_of(outside)) == ("ours", 0o600)


def test_directory_that_is_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    owner = (os.geteuid(), os.getegid())
    for _ in range(2):
        files.directory(path, owner, 0o700)
    assert mode_of(path) == 0o700
    (tmp_path / "target").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="link"):
        files.directory(tmp_path / "link", owner, 0o700)
    assert mode_of(tmp_path / "target") == 0o755


def test_foreign_file_is_read_only_where_it_is_one(path: Path, outside: Path) -> None:
    path.write_text("4711\nrest")
    assert files.read_foreign(path, limit=4) == "4711"
    path.unlink()
    for place in (lambda: path.symlink_to(outside), lambda: os.mkfifo(path)):
        place()
        with pytest.raises(OSError, match=r"link|regular"):
            files.read_foreign(path)
        path.unlink()
