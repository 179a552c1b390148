"""Cloudflare's limits: requests of a user, and what a plan allows in a zone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from lab.cloudflare.errors import Refusal

REQUESTS, WINDOW = 1200, timedelta(minutes=5)
"""Of a user, all tokens together."""
BURST, BURST_WINDOW = 200, timedelta(seconds=1)
"""Of an address."""
IMPORTS, IMPORTS_WINDOW = 3, timedelta(minutes=1)
"""Zone files of a user."""
FILE_SIZE = 256 * 1024
"""Bytes of a zone file."""
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
    ttl: int = 60
    """The shortest, in seconds."""
    subdomains: bool = False
    """Whether a subdomain can be a zone of its own."""

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
ENTERPRISE = replace(
    PRO,
    id="94f3b7b768b0458b56d2cac4fe5ec0f9",
    name="Enterprise Website",
    legacy_id="enterprise",
    price=0,
    ttl=30,
    subdomains=True,
)
PLANS = {plan.id: plan for plan in (FREE, PRO, ENTERPRISE)}


class Limited(Refusal):
    """Too many requests; the answer says for how long."""

    def __init__(self, requests: int, window: timedelta, wait: timedelta) -> None:
        super().__init__(
            10100,
            f"More than {requests} requests per {_seconds(window)} seconds reached. Please wait "
            "and consider throttling your request speed",
            429,
        )
        self.headers = {"retry-after": str(_seconds(wait))}


class RateLimit:
    """Counts requests; beyond the limit every call is refused for one window."""

    def __init__(self, clock: Callable[[], datetime], requests: int, window: timedelta) -> None:
        self._clock = clock
        self._limit = requests
        self._window = window
        self._seen: deque[datetime] = deque()
        self._blocked_until: datetime | None = None

    def count(self) -> None:
        """Count a request; raises Limited for one too many."""
        now = self._clock()
        if self._blocked_until is None or now >= self._blocked_until:
            self._blocked_until = None
            self._forget(now)
            if len(self._seen) < self._limit:
                self._seen.append(now)
                return
            self._blocked_until = now + self._window
            self._seen.clear()
        raise Limited(self._limit, self._window, self._blocked_until - now)

    def headers(self) -> dict[str, str]:
        """Return the two headers of every answer."""
        now = self._clock()
        self._forget(now)
        reset = _seconds(self._seen[0] + self._window - now if self._seen else self._window)
        remaining = 0 if self._blocked_until else self._limit - len(self._seen)
        return {
            "Ratelimit": f'"default";r={remaining};t={reset}',
            "Ratelimit-Policy": f'"default";q={self._limit};w={_seconds(self._window)}',
        }

    def _forget(self, now: datetime) -> None:
        while self._seen and self._seen[0] <= now - self._window:
            self._seen.popleft()


def _seconds(duration: timedelta) -> int:
    return max(int(duration.total_seconds()), 1)
