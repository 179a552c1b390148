"""Two requests a second, for all processes that share the purchase journal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import psycopg

from hostwinds.faults import JOURNAL_UNAVAILABLE
from hostwinds.journal.choice import POSTGRES, journal_location
from hostwinds.journal.postgres import CONNECTION, ensure_schema, unavailable
from hostwinds.numbers import number
from kit.locks import locked
from kit.queries import Queries

SQL = Queries(__file__, str)
RATE = 2.0
"""Requests a second; the provider documents no limit, this is the platform's own."""


class Limiter(Protocol):
    """Limits the rate of requests."""

    def wait(self) -> None:
        """Return when the next request may be sent."""


class FileLimiter:
    """Keeps the time of the next free slot in a file under a lock."""

    def __init__(
        self,
        path: Path,
        rate: float = RATE,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._clock = clock
        self._interval = 1 / rate
        self._pause = pause

    def wait(self) -> None:
        """Take the next slot, then sleep until it comes."""
        try:
            with locked(self._path):
                now = self._clock()
                slot = _next_slot(self._path.read_text(), now)
                self._path.write_text(f"{slot + self._interval!r} {now!r}")
        except OSError as error:
            raise JOURNAL_UNAVAILABLE(location=self._path, reason=error.strerror) from None
        self._pause(max(0.0, slot - now))


def _next_slot(text: str, now: float) -> float:
    """Return the next slot from the file's content: `<next slot> <time of writing>`.

    A time of writing in the future means that the clock was set back; the slot is ignored, since
    it would block all requests until then. A power failure leaves content that cannot be parsed.
    """
    try:
        slot, written = map(float, text.split())
    except ValueError:
        return now
    return now if written > now else max(slot, now)


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
        try:
            with psycopg.connect(self._dsn, autocommit=True, **CONNECTION) as connection:
                ensure_schema(connection)
                row = connection.execute(SQL.take_slot, {"interval": self._interval}).fetchone()
        except psycopg.Error as error:
            raise unavailable(error) from None
        self._pause(max(0.0, float(row[0]) - self._interval) if row else 0.0)


def limiter_from_environment(
    environment: Mapping[str, str] = os.environ, *, pause: Callable[[float], None] = time.sleep
) -> Limiter:
    """Return the limiter beside the journal of `HOSTWINDS_JOURNAL`; raises NO_JOURNAL."""
    location = journal_location(environment)
    rate = number(environment, "HOSTWINDS_RATE", RATE) or RATE
    if location.startswith(POSTGRES):
        return PostgresLimiter(location, rate, pause=pause)
    base = Path(location)
    return FileLimiter(base.with_name(f"{base.name}.limiter"), rate, pause=pause)
