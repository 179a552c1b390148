"""Files that appear whole or not at all, also when the process is killed or the power fails."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = 0o600
"""Mode of a file with secrets: for its owner alone."""
READABLE, EXECUTABLE = 0o644, 0o755


def write(path: Path, content: str | bytes, *, mode: int = READABLE) -> None:
    """Write a file, or replace it in one step."""
    with _written_beside(path, content, mode) as fresh:
        fresh.replace(path)
    _sync(path.parent)


def create(path: Path, content: str | bytes, *, mode: int = READABLE) -> None:
    """Write a file that is not there yet; raises FileExistsError for one that is."""
    with _written_beside(path, content, mode) as fresh:
        os.link(fresh, path)
    _sync(path.parent)


def link(path: Path, target: Path) -> None:
    """Make `path` a symbolic link to `target`, in one step."""
    if path.is_symlink() and path.readlink() == target:
        return
    with _vacant_beside(path) as fresh:
        fresh.symlink_to(target)


def copy(path: Path, original: Path) -> None:
    """Make `path` a second name of a file, or a copy on another file system, in one step."""
    with _vacant_beside(path) as fresh:
        try:
            fresh.hardlink_to(original)
        except OSError:
            shutil.copy2(original, fresh)


@contextmanager
def _vacant_beside(path: Path) -> Iterator[Path]:
    """Yield an unused name in the same directory; the file made there replaces `path`."""
    fresh = _beside(path)
    fresh.unlink(missing_ok=True)
    yield fresh
    fresh.replace(path)


@contextmanager
def _written_beside(path: Path, content: str | bytes, mode: int) -> Iterator[Path]:
    """Yield a synced file of this content in the same directory; it is removed afterwards."""
    fresh = _beside(path)
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask is
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """Return a name that no other living thread or process uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}")


def _sync(directory: Path) -> None:
    """Make a new name survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
