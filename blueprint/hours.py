"""The hours of a week in which something may happen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from blueprint.tenant import Day, WeeklyHours

DAY = timedelta(days=1)
LOOK_AHEAD = 9
"""Days in which there is an opening, also around a change of the clock."""


@dataclass(frozen=True, slots=True)
class Hours:
    """When something may happen, in a time zone."""

    zone: ZoneInfo
    start: time
    end: time
    """As late as the start or earlier: on the next day."""
    days: frozenset[int]
    """On which the hours begin; Monday is 0."""

    @classmethod
    def of(cls, written: WeeklyHours) -> Hours:
        """Read the hours of a document."""
        first, _, last = written.hours.partition("-")
        return cls(
            ZoneInfo(written.timezone),
            time.fromisoformat(first),
            time.fromisoformat(last.replace("24:00", "00:00")),
            frozenset(list(Day).index(day) for day in written.days),
        )

    def opens(self, now: datetime) -> datetime:
        """Return the moment from `now` on at which they are open; `now` itself while they are."""
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


@lru_cache(maxsize=10_000)
def _window(hours: Hours, day: date) -> tuple[datetime, datetime]:
    """Return when the hours of a day begin and end: each mail asks, and zones are slow."""
    last = day if hours.end > hours.start else day + DAY
    return hours.moment(day, hours.start), hours.moment(last, hours.end)
