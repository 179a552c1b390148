"""Cloudflare's limits: requests of a user, and what a plan allows in a zone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WINDOW = timedelta(minutes=5)
REQUESTS = 1200
"""Requests of a user in a window, all tokens together."""
SMALLER_SINCE = datetime(2024, 9, 1, tzinfo=UTC)
"""Zones on the free plan that were made since then hold fewer records."""


@dataclass(frozen=True)
class Plan:
    """What a plan allows."""

    id: str
    name: str
    legacy_id: str
    price: int
    """In dollars a month."""
    records: int
    batch: int
    comment: int
    tags: int

    def quota(self, created: datetime) -> int:
        """Return how many records a zone may have."""
        return 1000 if self.legacy_id == "free" and created < SMALLER_SINCE else self.records


FREE = Plan(
    "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
    "Free Website",
    "free",
    price=0,
    records=200,
    batch=200,
    comment=100,
    tags=0,
)
PRO = Plan(
    "1feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
    "Pro Website",
    "pro",
    price=20,
    records=3500,
    batch=3500,
    comment=500,
    tags=20,
)
PLANS = {plan.id: plan for plan in (FREE, PRO)}


class RateLimit:
    """Counts a user's requests; beyond the limit every call is refused for one window."""

    def __init__(self, clock: Callable[[], datetime], requests: int = REQUESTS) -> None:
        self._clock = clock
        self._limit = requests
        self._seen: deque[datetime] = deque()
        self._blocked_until: datetime | None = None

    def count(self) -> int:
        """Count a request; return for how many seconds the user is refused, 0 when it is not."""
        now = self._clock()
        if self._blocked_until is not None and now < self._blocked_until:
            return _seconds(self._blocked_until - now)
        self._forget(now)
        if len(self._seen) >= self._limit:
            self._blocked_until = now + WINDOW
            self._seen.clear()
            return _seconds(WINDOW)
        self._blocked_until = None
        self._seen.append(now)
        return 0

    def headers(self) -> dict[str, str]:
        """Return the two headers of every answer."""
        now = self._clock()
        self._forget(now)
        reset = _seconds(self._seen[0] + WINDOW - now) if self._seen else _seconds(WINDOW)
        remaining = 0 if self._blocked_until else self._limit - len(self._seen)
        return {
            "Ratelimit": f'"default";r={remaining};t={reset}',
            "Ratelimit-Policy": f'"default";q={self._limit};w={_seconds(WINDOW)}',
        }

    def _forget(self, now: datetime) -> None:
        while self._seen and self._seen[0] <= now - WINDOW:
            self._seen.popleft()


def _seconds(duration: timedelta) -> int:
    return max(int(duration.total_seconds()), 1)
