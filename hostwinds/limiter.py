"""Two requests a second, for all processes that share the purchase journal."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import psycopg

RATE = 2.0
"""Requests a second; the provider documents no limit, this is the platform's own."""


class Limiter(Protocol):
    """Makes callers wait for their turn."""

    def wait(self) -> None:
        """Return when the next request may go out."""


class FileLimiter:
    """Keeps the time of the next free slot in a file under a lock."""

    def __init__(
        self, path: Path, rate: float = RATE, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._path = path
        self._interval = 1 / rate
        self._pause = pause

    def wait(self) -> None:
        """Take the next slot, then sleep until it comes."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = time.time()
            # A slot far ahead is from a clock that was set back: it must not stop us for hours.
            slot = min(max(float(file.read() or 0), now), now + 60)
            file.truncate(0)
            file.write(repr(slot + self._interval))
            file.flush()
        self._pause(max(0.0, slot - now))


class PostgresLimiter:
    """Keeps the time of the next free slot in a row of the journal's schema."""

    def __init__(
        self, dsn: str, rate: float = RATE, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._dsn = dsn
        self._interval = 1 / rate
        self._pause = pause

    def wait(self) -> None:
        """Take the next slot by the server's clock, then sleep until it comes."""
        from hostwinds.journal.postgres import ensure_schema

        with psycopg.connect(self._dsn, autocommit=True) as connection:
            ensure_schema(connection)
            row = connection.execute(
                """
                update purchase.limiter
                set next_slot = greatest(next_slot, clock_timestamp()) + %s * interval '1 second'
                returning extract(epoch from next_slot - clock_timestamp())
                """,
                [self._interval],
            ).fetchone()
        self._pause(max(0.0, float(row[0]) - self._interval) if row else 0.0)


def limiter_from_environment() -> Limiter:
    """Return the limiter beside the journal named by `HOSTWINDS_JOURNAL`."""
    place = os.environ.get("HOSTWINDS_JOURNAL", "")
    rate = float(os.environ.get("HOSTWINDS_RATE", RATE))
    if place.startswith(("postgres://", "postgresql://")):
        return PostgresLimiter(place, rate)
    base = Path(place) if place else Path.home() / ".local/state/hostwinds/journal.json"
    return FileLimiter(base.with_name(f"{base.name}.limiter"), rate)
