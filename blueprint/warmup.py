"""Warm-up curves as data: how many mails a day may be sent on each day of a warm-up.

A day of a warm-up is a good sending day, not one of the calendar: see `sender.policy.warmup`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from blueprint.tenant import Warmup


@dataclass(frozen=True)
class Curve:
    """Daily caps that grow linearly from `start` to `target` over `days`, which begin with 1."""

    start: int
    target: int
    days: int

    def cap(self, day: int) -> int:
        """Return the cap of a day, `target` from the last day on; before the first day nothing."""
        if day < 1:
            return 0
        if day >= self.days:
            return self.target
        return self.start + (self.target - self.start) * (day - 1) // (self.days - 1)


@dataclass(frozen=True)
class Staircase:
    """Daily caps that grow by `percent` every `interval` days, which begin with 1.

    Receivers judge an address by the growth of its volume, so each step is relative to the last.
    """

    start: int
    target: int
    percent: int
    interval: int

    @lru_cache(maxsize=10_000)  # noqa: B019 - curves are a few constants
    def cap(self, day: int) -> int:
        """Return the cap of a day, `target` at most; before the first day nothing."""
        if day < 1:
            return 0
        cap = self.start
        for _ in range((day - 1) // self.interval):
            if cap >= self.target:
                break
            cap += cap * self.percent // 100
        return min(cap, self.target)

    @property
    def days(self) -> int:
        """The first day on which the target may be sent."""
        day = 1
        while self.cap(day) < self.target:
            day += self.interval
        return day


MAILBOX = {
    Warmup.CONSERVATIVE: Curve(start=5, target=150, days=56),
    Warmup.STANDARD: Curve(start=10, target=150, days=42),
    Warmup.AGGRESSIVE: Curve(start=15, target=150, days=28),
}
"""Per mailbox, by what receivers bear of unsolicited mail; the mailbox's own daily cap applies as
well. It grows by a few mails a day, so that a raised daily cap is never a jump."""

DOMAIN = {
    Warmup.CONSERVATIVE: Staircase(start=10, target=5000, percent=20, interval=1),
    Warmup.STANDARD: Staircase(start=20, target=5000, percent=30, interval=1),
    Warmup.AGGRESSIVE: Staircase(start=40, target=5000, percent=40, interval=1),
}
"""Per From domain, for all its mailboxes; above the target Gmail treats a domain as a bulk sender
for good."""

ADDRESS = {
    Warmup.CONSERVATIVE: Staircase(start=20, target=1200, percent=20, interval=4),
    Warmup.STANDARD: Staircase(start=50, target=1200, percent=30, interval=3),
    Warmup.AGGRESSIVE: Staircase(start=50, target=1200, percent=30, interval=1),
}
"""Per address, and per address and receiving provider, up to a volume that a shared address can
safely send in a day."""
