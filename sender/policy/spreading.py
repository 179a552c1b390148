"""Spreads a day's mail over the tenant's sending hours: a rate with a burst.

A burst of mails at one moment is what receivers slow down first, so what a day allows leaves in
even steps while the tenant's hours are open. An idle bucket has a burst saved, so that a few mails
do not wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache

from blueprint.hours import DAY, Hours

BURST = 3
"""Mails of an idle bucket that go at once."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What a bucket has saved of its rate."""

    saved: float
    """Mails that could go at once."""
    at: datetime

    burst: int = BURST
    """The most that is saved."""

    @classmethod
    def idle(cls, now: datetime, burst: int = BURST) -> Pace:
        """Return that of a bucket of which nothing left lately."""
        return cls(burst, now, burst)

    def taken(self, count: int, rate: float, hours: Hours, now: datetime) -> Pace:
        """Return what is saved after so many mails; fewer than none where they are given back."""
        return Pace(self.now(rate, hours, now) - count, max(now, self.at), self.burst)

    def now(self, rate: float, hours: Hours, now: datetime) -> float:
        """Return what is saved now, at so many mails a second of open hours."""
        saved = (
            self.saved if now <= self.at else (self.saved + rate * hours.open_between(self.at, now))
        )
        return min(float(self.burst), saved)


def rate(cap: float, hours: Hours, now: datetime) -> float:
    """Return the mails a second that use up a day's cap in the hours of this UTC day."""
    seconds = _open_on(hours, now.astimezone(UTC).date())
    return cap / seconds if seconds else 0.0


@lru_cache(maxsize=10_000)
def _open_on(hours: Hours, day: date) -> float:
    """Return for how many seconds the hours are open in a UTC day."""
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    return hours.open_between(midnight, midnight + DAY)
