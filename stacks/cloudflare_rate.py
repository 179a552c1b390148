"""Cloudflare's rate of requests, kept by all processes that share the purchase journal.

Cloudflare counts the requests of a user in five minutes, whatever token they have. A share of them
is this installation's; what people do in the dashboard and by hand has the rest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Self

from hostwinds.limiter import Pace, SharedLimiter, shared_limiter
from hostwinds.numbers import number
from stacks.variables import BACKGROUND

VARIABLE = "CLOUDFLARE_RATE"
RATE = 2.0
"""Requests a second in any five minutes: half of what Cloudflare allows."""
WINDOW = 300.0
"""Seconds in which Cloudflare counts."""
BURST = 100.0
"""Seconds by which requests may be ahead: a quarter of a window's may come at once."""
RESERVE = BURST / 2
"""Part of the burst that only a person's change, and a certificate's order, use."""
POLL_SECONDS = 1.0


class Turns:
    """Turns of requests to Cloudflare. Without a journal, each may be sent at once."""

    def __init__(
        self,
        limiter: SharedLimiter | None,
        *,
        background: bool = False,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limiter = limiter
        self._background = background
        self._pause = pause
        self._clock = clock

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the turns of CLOUDFLARE_RATE beside the journal of HOSTWINDS_JOURNAL."""
        if not environment.get("HOSTWINDS_JOURNAL"):
            return cls(None)
        pace = pace_of(number(environment, VARIABLE, RATE) or RATE)
        limiter = shared_limiter(environment, pace)
        return cls(limiter, background=bool(environment.get(BACKGROUND)))

    def wait(self, within: float) -> bool:
        """Return when the next request may be sent, False if that takes longer than `within`.

        A background operation takes no slot from those that people wait for: it waits until the
        reserve is there again. Raises JOURNAL_UNAVAILABLE.
        """
        if self._limiter is None:
            return True
        if not self._background:
            return self._limiter.wait_for_slot(within)
        end = self._clock() + within
        while not self._limiter.wait_for_slot(-RESERVE):
            if self._clock() >= end:
                return False
            self._pause(POLL_SECONDS)
        return True

    def hold(self, seconds: float) -> None:
        """Let no operation send a request for so long; raises JOURNAL_UNAVAILABLE."""
        if self._limiter is not None:
            self._limiter.hold(seconds)


def wait_for_turn(environment: Mapping[str, str], within: float) -> bool:
    """Wait for a turn by the variables of an environment; raises BAD_NUMBER, NO_JOURNAL, too."""
    return Turns.from_environment(environment).wait(within)


def refuse(environment: Mapping[str, str], seconds: float) -> None:
    """Let all who share the account wait, since Cloudflare refuses their requests for so long."""
    Turns.from_environment(environment).hold(seconds)


def pace_of(rate: float) -> Pace:
    """Return a pace that has `rate` requests a second in any window, the burst included."""
    return Pace(rate * WINDOW / (WINDOW + BURST), BURST, "cloudflare")
