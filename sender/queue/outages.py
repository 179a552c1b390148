"""Errors of the database: which of them end by waiting, and what is said about them."""

from __future__ import annotations

import time

import psycopg
import structlog
from psycopg import errors

AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, OSError)
"""The database is not there, does not accept writes, or gave up: waiting helps."""
BLOCKED = (errors.LockNotAvailable, errors.QueryCanceled)
"""Others hold rows that the statement needs."""
AGAIN = 10.0
"""Seconds after which an outage that lasts is reported again."""
log = structlog.get_logger(__name__)


def may_be_one_row(error: Exception) -> bool:
    """Say whether a smaller batch may succeed."""
    return isinstance(error, BLOCKED) or not isinstance(error, AWAY)


class Outage:
    """Reports once that the database is away, and that it is back."""

    def __init__(self) -> None:
        """Begin with a database that is there."""
        self._began: float | None = None
        self._reported = 0.0

    def failed(self, error: Exception) -> None:
        """Take note of an error."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        elif now - self._reported < AGAIN:
            return
        self._reported = now
        log.warning(
            "queue.database_away", error=str(error), sqlstate=getattr(error, "sqlstate", None)
        )

    def over(self) -> None:
        """Take note of a success."""
        if self._began is not None:
            log.info("queue.database_back", seconds=round(time.monotonic() - self._began, 1))
            self._began = None
