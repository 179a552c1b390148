"""Spreads a day's mail over the tenant's sending hours: a rate with a burst.

A burst of mails at one moment is what receivers slow down first, so what a day allows leaves in
even steps while the tenant's hours are open. An idle bucket has a burst saved, so that a few mails
do not wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from blueprint.tenant import Day, SendingHours

BURST = 3
"""Mails of an idle bucket that go at once."""
DAY = timedelta(days=1)
LOOK_AHEAD = 9
"""Days in which there is an opening, also around a change of the clock."""


@dataclass(frozen=True, slots=True)
class Hours:
    """When a tenant's mail may leave, in his time zone."""

    zone: ZoneInfo
    start: time
    end: time
    """As late as the start or earlier: on the next day."""
    days: frozenset[int]
    """On which the hours begin; Monday is 0."""

    @classmethod
    def of(cls, sending: SendingHours) -> Hours:
        """Read the hours of a document."""
        first, _, last = sending.hours.partition("-")
        return cls(
            ZoneInfo(sending.timezone),
            time.fromisoformat(first),
            time.fromisoformat(last.replace("24:00", "00:00")),
            frozenset(list(Day).index(day) for day in sending.days),
        )

    def opens(self, now: datetime) -> datetime:
        """Return the moment from `now` on at which mail may leave; `now` itself while it may."""
        return self.after(now, 0)

    def after(self, now: datetime, seconds: float) -> datetime:
        """Return the moment at which the hours have been open for so long, counted from `now`.

        It is one at which they are open.
        """
        left = timedelta(seconds=seconds)
        begin = now
        while True:
            for opens, closes in self._windows(begin, begin + LOOK_AHEAD * DAY):
                if left < closes - opens:
                    return opens + left
                left -= closes - opens
            begin += LOOK_AHEAD * DAY

    def open_between(self, start: datetime, end: datetime) -> float:
        """Return for how many seconds the hours are open in a time."""
        windows = self._windows(start, end)
        return sum((closes - opens).total_seconds() for opens, closes in windows)

    def _windows(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the parts of a time in which the hours are open."""
        day = start.astimezone(self.zone).date() - DAY  # whose hours may reach into the next
        while (window := _window(self, day))[0] < end:
            first, last = max(window[0], start), min(window[1], end)
            if day.weekday() in self.days and first < last:
                yield first, last
            day += DAY

    def moment(self, day: date, at: time) -> datetime:
        """Return when it is so late there, in UTC."""
        return datetime.combine(day, at, tzinfo=self.zone).astimezone(UTC)


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
def _window(hours: Hours, day: date) -> tuple[datetime, datetime]:
    """Return when the hours of a day begin and end: each mail asks, and zones are slow."""
    last = day if hours.end > hours.start else day + DAY
    return hours.moment(day, hours.start), hours.moment(last, hours.end)


@lru_cache(maxsize=10_000)
def _open_on(hours: Hours, day: date) -> float:
    """Return for how many seconds the hours are open in a UTC day."""
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    return hours.open_between(midnight, midnight + DAY)
