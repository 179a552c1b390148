"""Atomic writes of files, also when the process is killed or the power fails."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
"""Mode of a file with secrets: only its owner may read it."""
READABLE, EXECUTABLE = 0o644, 0o755


def protect_new() -> None:
    """Let nobody else write to what this process and its children create from now on.

    Files with secrets have modes of their own; a generous umask would open programs and directories
    that root uses.
    """
    os.umask(os.umask(0o077) | 0o022)


def write(path: Path, content: str | bytes, *, mode: int = READABLE) -> None:
    """Write a file, or replace it in one step."""
    with _temporary_file(path, content, mode) as temporary:
        temporary.replace(path)
    _sync(path.parent)


def create(path: Path, content: str | bytes, *, mode: int = READABLE) -> None:
    """Write a new file; raises FileExistsError if it exists."""
    with _temporary_file(path, content, mode) as temporary:
        os.link(temporary, path)
    _sync(path.parent)


def link(path: Path, target: Path) -> None:
    """Make `path` a symbolic link to `target`, in one step."""
    if path.is_symlink() and path.readlink() == target:
        return
    with _replacing(path) as temporary:
        temporary.symlink_to(target)


def copy(path: Path, original: Path) -> None:
    """Make `path` a second name of a file, or a copy on another file system, in one step."""
    with _replacing(path) as temporary:
        try:
            temporary.hardlink_to(original)
        except OSError:
            shutil.copy2(original, temporary)


def open_new(path: Path, mode: int = PRIVATE) -> BinaryIO:
    """Open a new file for writing, instead of any that exists; no link is followed."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    os.fchmod(descriptor, mode)  # regardless of the umask
    return os.fdopen(descriptor, "wb")


def directory(path: Path, owner: tuple[int, int], mode: int) -> None:
    """Create a directory, or change an existing one, to this owner (user, group) and mode.

    Raises OSError for a link: its target may be chosen by another account.
    """
    with suppress(FileExistsError):
        path.mkdir()
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def read_foreign(path: Path, limit: int = 4096) -> str:
    """Return the first bytes of a file in a directory of another account.

    Follows no link and waits for no pipe; raises OSError for anything but a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            msg = f"not a regular file: {path}"
            raise OSError(msg)
        return file.read(limit).decode(errors="replace")


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield an unused path in the same directory; the file created there replaces `path`."""
    temporary = _temporary_path(path)
    temporary.unlink(missing_ok=True)
    yield temporary
    temporary.replace(path)


@contextmanager
def _temporary_file(path: Path, content: str | bytes, mode: int) -> Iterator[Path]:
    """Yield a synced file of this content in the same directory; it is removed afterwards."""
    temporary = _temporary_path(path)
    try:
        with open_new(temporary, mode) as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_path(path: Path) -> Path:
    """Return a path in the same directory that no other running thread or process uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}")


def _sync(directory: Path) -> None:
    """Flush a directory, so that its new entries survive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
