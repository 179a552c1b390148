"""Notices that the database went back in time: it gives out a token that it gave out before.

Tokens of leases only grow. This process, and a file on its machine, remember the largest one that
it was given: a snapshot of the database's disk that is restored in place gives out smaller ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from kit import files
from kit.faults import Fault

SETTLED_SECONDS = 10.0
"""A server that does not wait for its disk may lose the last moments of a crash, tokens included;
what is older it has on its disk."""
log = structlog.get_logger()


class Ledger(Protocol):
    """The purchase journal. Methods block, and raise a fault where it cannot be reached."""

    def identity(self) -> str:
        """Return its id: a database that was made since has another one."""

    def unbind(self, why: str) -> None:
        """Let nothing be bought or ended before a recovery: the database was set back."""


@dataclass(frozen=True)
class Floor:
    """A token that a database has given out: each later one of it is larger."""

    database: str
    token: int


@dataclass(frozen=True)
class _Recent:
    floor: Floor
    at: float


class HighWaterMark:
    """The largest token of some seconds ago, in memory and in a file."""

    def __init__(
        self,
        ledger: Ledger,
        path: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A file that cannot be read is written again."""
        self._ledger = ledger
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._settled = _read(path)
        self._is_verified = False
        self._recent: _Recent | None = None
        self._newest = self._settled.token
        self._unbound = False

    @property
    def floor(self) -> Floor:
        """What was given out some seconds ago, maybe by a database before this one."""
        recent = self._recent
        if recent is not None and self._clock() - recent.at >= SETTLED_SECONDS:
            return recent.floor
        return self._settled

    def note(self, token: int, floor: Floor) -> None:
        """Remember a token that was asked for when `floor` had been given out; blocks."""
        with self._lock, suppress(Fault):  # without the journal nothing is bought either
            if not self._is_verified or token <= floor.token:
                self._verify()
            is_smaller = token <= floor.token and floor.database == self._settled.database
            if is_smaller and not self._unbound:
                self.unbind(f"it gave out token {token}, and has given out {floor.token} before")
            self._unbound = is_smaller
            self._remember(token)

    def unbind(self, why: str) -> None:
        """Let nothing be bought or ended before a recovery; blocks."""
        log.error("the database was set back", reason=why, run="penguin purchases recover")
        self._ledger.unbind(why)

    def _verify(self) -> None:
        """Forget what is remembered of another database."""
        here = self._ledger.identity()
        if self._settled.database != here:
            self._settled, self._newest, self._recent = Floor(here, 0), 0, None
        self._is_verified = True

    def _remember(self, token: int) -> None:
        now, self._newest = self._clock(), max(self._newest, token)
        if self._recent is not None:
            if now - self._recent.at < SETTLED_SECONDS:
                return
            self._settle(self._recent.floor)
        self._recent = _Recent(Floor(self._settled.database, self._newest), now)

    def _settle(self, floor: Floor) -> None:
        if floor.token <= self._settled.token:
            return
        self._settled = floor
        if self._path is not None:
            with suppress(OSError):  # as on a full disk: memory still has it
                files.write(self._path, f"{floor.database} {floor.token}\n")


def _read(path: Path | None) -> Floor:
    """Return what a file says."""
    if path is None:
        return Floor("", 0)
    try:
        database, token = path.read_text().split()
        return Floor(database, int(token))
    except (OSError, ValueError):
        return Floor("", 0)
