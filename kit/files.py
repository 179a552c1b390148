"""Atomic writes of files, also when the process is killed or the power fails."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = 0o600
"""Mode of a file with secrets: only its owner may read it."""
READABLE, EXECUTABLE = 0o644, 0o755


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
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # regardless of the umask
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
