"""Where files are on this machine: state of this checkout, caches that checkouts share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kit import files

SYSTEM = Path("/var/lib/penguinmails")
"""Root's directory: readable by the users that servers run as, and free of spaces and colons."""


@dataclass(frozen=True)
class Layout:
    """Where the files of one user and one checkout are."""

    checkout: Path
    is_root: bool
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    system: Path = SYSTEM

    def state_dir(self) -> Path:
        """Return the directory of this checkout's persistent state; create it if it is missing.

        As root it is below `/var/lib/penguinmails`, since other users (PostgreSQL's) must be able
        to reach it; `.penguin/state` in the checkout is a link to it. `PENGUIN_STATE_DIR`
        overrides both.
        """
        if override := self.environment.get("PENGUIN_STATE_DIR"):
            return _created(Path(override).absolute())
        pointer = self.checkout / ".penguin" / "state"
        if not self.is_root:
            return _created(pointer)
        digest = hashlib.sha256(str(self.checkout).encode()).hexdigest()[:8]
        directory = _created(_created(self.system) / digest)
        if pointer.is_symlink() or not pointer.is_dir():  # else the state of a user who is not root
            pointer.parent.mkdir(exist_ok=True)
            files.link(pointer, directory)
        return directory

    def cache_dir(self) -> Path:
        """Return the directory of what can be rebuilt: engine, lab layers. Safe to delete."""
        if override := self.environment.get("PENGUIN_CACHE_DIR"):
            return _created(Path(override).absolute())
        if self.is_root:
            return _created(_created(self.system) / "cache")
        home = Path(self.environment.get("HOME") or Path.home())
        base = self.environment.get("XDG_CACHE_HOME") or home / ".cache"
        return _created(Path(base) / "penguinmails")


def checkout() -> Path:
    """Return the root of the source tree that this code was started from."""
    return Path(__file__).resolve().parent.parent


def state_dir() -> Path:
    """Return the state directory of this checkout; see `Layout`."""
    return _layout().state_dir()


def cache_dir() -> Path:
    """Return the cache directory that checkouts of this user share; see `Layout`."""
    return _layout().cache_dir()


def _layout() -> Layout:
    return Layout(checkout(), is_root=os.geteuid() == 0)


def _created(directory: Path) -> Path:
    """Create a directory that other users can traverse, regardless of our umask."""
    if directory.is_dir():
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    return directory
