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
class _Seen:
    token: int
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
        self._identity, self._settled = _read(path)
        self._is_verified = False
        self._recent: _Seen | None = None
        self._newest = 0
        self._unbound = False

    @property
    def floor(self) -> int:
        """A token that was given out: each later one is larger."""
        if self._recent is not None and self._clock() - self._recent.at >= SETTLED_SECONDS:
            return max(self._settled, self._recent.token)
        return self._settled

    def note(self, token: int, floor: int) -> None:
        """Remember a token that was asked for when `floor` had been given out; blocks."""
        with self._lock, suppress(Fault):  # without the journal nothing is bought either
            if (not self._is_verified or token <= floor) and not self._belongs():
                floor = 0
            if token <= floor and not self._unbound:
                self.unbind(f"it gave out token {token}, and has given out {floor} before")
            self._unbound = token <= floor
            self._remember(token)

    def unbind(self, why: str) -> None:
        """Let nothing be bought or ended before a recovery; blocks."""
        log.error("the database was set back", reason=why, run="penguin purchases recover")
        self._ledger.unbind(why)

    def _belongs(self) -> bool:
        """Return whether what is remembered is of this database; else forget it."""
        here = self._ledger.identity()
        belongs = self._identity == here
        if not belongs:
            self._identity, self._settled, self._newest, self._recent = here, 0, 0, None
        self._is_verified = True
        return belongs

    def _remember(self, token: int) -> None:
        now, self._newest = self._clock(), max(self._newest, token)
        if self._recent is not None and now - self._recent.at < SETTLED_SECONDS:
            return
        if self._recent is not None and self._recent.token > self._settled:
            self._settled = self._recent.token
            if self._path is not None:
                with suppress(OSError):  # as on a full disk: memory still has it
                    files.write(self._path, f"{self._identity} {self._settled}\n")
        self._recent = _Seen(self._newest, now)


def _read(path: Path | None) -> tuple[str, int]:
    """Return identity and token of a file."""
    if path is None:
        return "", 0
    try:
        identity, token = path.read_text().split()
        return identity, int(token)
    except (OSError, ValueError):
        return "", 0
