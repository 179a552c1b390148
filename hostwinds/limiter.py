"""The rate of requests to a provider, for all processes that share the purchase journal.

Hostwinds' is two a second. Others name their provider, and how many requests may come at once.
"""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

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
PROVIDER = "hostwinds"
FOREVER = 1e9
"""Seconds that no request waits for."""
LONGEST_HOLD = 900.0
"""Seconds that an answer of a provider can stop all requests for, whatever it says."""


class Limiter(Protocol):
    """Limits the rate of requests."""

    def wait(self) -> None:
        """Return when the next request may be sent."""


@dataclass(frozen=True)
class Pace:
    """How fast requests of all processes together may follow each other."""

    rate: float = RATE
    """Requests a second, in the long run."""
    burst: float = 0
    """Seconds by which requests may be ahead of the rate, after a time with fewer ones."""
    provider: str = PROVIDER

    @property
    def interval(self) -> float:
        """Seconds between two requests."""
        return 1 / self.rate


HOSTWINDS = Pace()


class SharedLimiter(ABC):
    """Gives slots to all processes that share a store."""

    def __init__(self, pace: Pace, pause: Callable[[float], None]) -> None:
        self._pace = pace
        self._pause = pause

    def wait(self) -> None:
        """Take the next slot, then sleep until it comes."""
        self.wait_for_slot(FOREVER)

    def wait_for_slot(self, within: float) -> bool:
        """Take the next slot and sleep until it comes; False if it comes later than `within`.

        A negative number of seconds: if as much of the burst would be left.
        """
        ahead = self._take(within + self._pace.burst)
        if ahead is None:
            return False
        self._pause(max(0.0, ahead - self._pace.burst))
        return True

    def hold(self, seconds: float) -> None:
        """Give no slot for so long: the provider refuses the requests of all processes."""
        self._hold(min(seconds, LONGEST_HOLD) + self._pace.burst)

    @abstractmethod
    def _take(self, ahead: float) -> float | None:
        """Take the next slot of the rate if it comes within `ahead` seconds; return in how many."""

    @abstractmethod
    def _hold(self, ahead: float) -> None:
        """Let the next slot of the rate come in `ahead` seconds at the earliest."""


class FileLimiter(SharedLimiter):
    """Keeps the time of the next free slot in a file under a lock."""

    def __init__(
        self,
        path: Path,
        pace: Pace = HOSTWINDS,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(pace, pause)
        self._path = path
        self._clock = clock

    def _take(self, ahead: float) -> float | None:
        try:
            with locked(self._path):
                now = self._clock()
                slot = _next_slot(self._path.read_text(), now)
                if slot > now + ahead:
                    return None
                self._path.write_text(f"{slot + self._pace.interval!r} {now!r}")
        except OSError as error:
            raise JOURNAL_UNAVAILABLE(location=self._path, reason=error.strerror) from None
        return slot - now

    def _hold(self, ahead: float) -> None:
        try:
            with locked(self._path):
                now = self._clock()
                slot = max(_next_slot(self._path.read_text(), now), now + ahead)
                self._path.write_text(f"{slot!r} {now!r}")
        except OSError as error:
            raise JOURNAL_UNAVAILABLE(location=self._path, reason=error.strerror) from None


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


class PostgresLimiter(SharedLimiter):
    """Keeps the time of the next free slot in a row of the journal's schema."""

    def __init__(
        self,
        dsn: str,
        pace: Pace = HOSTWINDS,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(pace, pause)
        self._dsn = dsn

    def _take(self, ahead: float) -> float | None:
        """Time is the server's."""
        values = {
            "provider": self._pace.provider,
            "interval": self._pace.interval,
            "burst": self._pace.burst,
            "ahead": ahead,
        }
        row = self._run(SQL.take_slot, values)
        return float(row[0]) - self._pace.interval if row else None

    def _hold(self, ahead: float) -> None:
        self._run(SQL.hold_slots, {"provider": self._pace.provider, "ahead": ahead})

    def _run(self, query: str, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        try:
            if (kept := _kept.get(self._dsn)) is not None:
                return kept.run(query, values)
            with _connect(self._dsn) as connection:
                return connection.execute(query, values).fetchone()
        except psycopg.Error as error:
            raise unavailable(error) from None


class _Kept:
    """One connection for the requests of all threads."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None

    def run(self, query: str, values: Mapping[str, object]) -> tuple[Any, ...] | None:
        """Run a query, once more where an earlier connection has ended."""
        with self._lock:
            if self._connection is not None:
                try:
                    return self._connection.execute(query, values).fetchone()
                except psycopg.OperationalError:
                    self._close()
            self._connection = _connect(self._dsn)
            return self._connection.execute(query, values).fetchone()

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_kept: dict[str, _Kept] = {}
"""By the URL of the database."""


@contextmanager
def one_connection(environment: Mapping[str, str]) -> Iterator[None]:
    """Let the limiters of this process use one connection in the block, not one for each request.

    Only for a process with one such block at a time.
    """
    location = environment.get("HOSTWINDS_JOURNAL", "").strip()
    kept = _kept[location] = _Kept(location)
    try:
        yield
    finally:
        del _kept[location]
        kept.close()


def _connect(dsn: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(dsn, autocommit=True, **CONNECTION)
    ensure_schema(connection)
    return connection


def limiter_from_environment(
    environment: Mapping[str, str] = os.environ, *, pause: Callable[[float], None] = time.sleep
) -> Limiter:
    """Return Hostwinds' limiter, beside the journal of `HOSTWINDS_JOURNAL`; raises NO_JOURNAL."""
    rate = number(environment, "HOSTWINDS_RATE", RATE) or RATE
    return shared_limiter(environment, Pace(rate), pause=pause)


def shared_limiter(
    environment: Mapping[str, str], pace: Pace, *, pause: Callable[[float], None] = time.sleep
) -> SharedLimiter:
    """Return a limiter beside the journal of `HOSTWINDS_JOURNAL`; raises NO_JOURNAL."""
    location = journal_location(environment)
    if location.startswith(POSTGRES):
        return PostgresLimiter(location, pace, pause=pause)
    base = Path(location)
    suffix = "limiter" if pace.provider == PROVIDER else f"{pace.provider}.limiter"
    return FileLimiter(base.with_name(f"{base.name}.{suffix}"), pace, pause=pause)
