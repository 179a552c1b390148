"""Where things lie on this machine: state of this checkout, caches that several checkouts share."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from kit import files

SYSTEM = Path("/var/lib/penguinmails")
"""Root's place: readable by the users that servers run as, and free of spaces and colons."""


def checkout() -> Path:
    """Return the root of the source tree that this code was started from."""
    return Path(__file__).resolve().parent.parent


def state_dir() -> Path:
    """Return the directory of everything this checkout keeps between runs; made when missing.

    As root it lies below `/var/lib/penguinmails`, since other users (PostgreSQL's) must be able to
    reach it; `.penguin/state` in the checkout is a link to it. `PENGUIN_STATE_DIR` overrides both.
    """
    chosen = os.environ.get("PENGUIN_STATE_DIR")
    if chosen:
        return _made(Path(chosen).absolute())
    pointer = checkout() / ".penguin" / "state"
    if os.geteuid() != 0:
        return _made(pointer)
    digest = hashlib.sha256(str(checkout()).encode()).hexdigest()[:8]
    place = _made(_made(SYSTEM) / digest)
    if pointer.is_symlink() or not pointer.is_dir():  # else the state of a user who is not root
        pointer.parent.mkdir(exist_ok=True)
        files.link(pointer, place)
    return place


def cache_dir() -> Path:
    """Return the directory of what can be made again: engine, lab layers. Safe to delete."""
    chosen = os.environ.get("PENGUIN_CACHE_DIR")
    if chosen:
        return _made(Path(chosen).absolute())
    if os.geteuid() == 0:
        return _made(_made(SYSTEM) / "cache")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return _made(Path(base) / "penguinmails")


def _made(directory: Path) -> Path:
    """Make a directory that servers can pass through as other users, whatever our umask is."""
    if directory.is_dir():
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    return directory
