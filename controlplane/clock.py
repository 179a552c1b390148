"""The only module in which the control plane reads the clock.

Processes of several machines share the database's time: what one stores, such as when a pass is
due, others compare with theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

INTERVAL = 60.0
"""Seconds between two measurements."""
LONGEST = 1.0
"""Seconds that an answer may take which is believed."""


def now() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


class DatabaseClock:
    """The time of a database, measured now and then; between, this machine counts the seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._shown: tuple[datetime, float] | None = None
        """The last measurement, and when it was made."""
        self.is_kept = False
        """Whether it is to be measured."""

    def __call__(self) -> datetime:
        """Return the time; that of this machine where it was never measured."""
        if self._shown is None:
            return now()
        shown, at = self._shown
        return shown + timedelta(seconds=self._monotonic() - at)

    def begin(self) -> float | None:
        """Return when a measurement begins, for `end`; None where none is due."""
        at = self._monotonic()
        is_due = self._shown is None or at - self._shown[1] >= INTERVAL
        return at if self.is_kept and is_due else None

    def end(self, began: float, shown: datetime) -> None:
        """Take what the database has answered; not what took too long: another one will be made."""
        took = self._monotonic() - began
        if took <= LONGEST or self._shown is None:
            self._shown = shown, began + took / 2
