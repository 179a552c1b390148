"""Whose turn it is: which reason for a pass comes next, so that none starves another.

Start-time fair queueing (Goyal, Vin, Cheng 1996) over the reasons. Each has a share of the workers'
time by its weight, whatever the others ask for; what it does not use the others have. A reason is
charged the time that its passes take: tenants that fail slowly cost only their own share. Within a
reason the longest due comes first. A late pass is charged less, so a reason whose passes become
late gets more than its share until they are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta

from controlplane.schedule.schemas import Priority

WEIGHTS: Mapping[Priority, float] = {
    Priority.USER: 8,
    Priority.PLATFORM: 4,
    Priority.WAKE: 4,
    Priority.RETRY: 2,
    Priority.RESYNC: 4,
}
LATE: Mapping[Priority, timedelta] = {
    Priority.USER: timedelta(seconds=1),
    Priority.PLATFORM: timedelta(minutes=1),
    Priority.WAKE: timedelta(minutes=1),
    Priority.RETRY: timedelta(minutes=5),
    Priority.RESYNC: timedelta(minutes=10),
}
"""After which a pass costs its reason half, after twice that a third, and so on."""
AT_ONCE = 0.05
"""Seconds that a pass is charged when it begins; the rest follows at its end."""


class Turns:
    """The shares that reasons have used, in one process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._now = 0.0
        self._used = dict.fromkeys(Priority, 0.0)

    def order(self) -> list[Priority]:
        """Return the reasons, the next one first; of equal ones the more urgent."""
        return sorted(Priority, key=lambda each: (max(self._used[each], self._now), each))

    def begin(self, priority: Priority, late: timedelta) -> Callable[[], None]:
        """Charge a pass that begins, late by so much.

        Return what charges the rest of its time when it needs no worker any more.
        """
        began, rest_is_due = self._monotonic(), True
        self._now = max(self._used[priority], self._now)
        self._used[priority] = self._now + _cost(priority, AT_ONCE, late)

        def end() -> None:
            nonlocal rest_is_due
            if rest_is_due:
                rest_is_due = False
                rest = max(0.0, self._monotonic() - began - AT_ONCE)
                self._used[priority] += _cost(priority, rest, late)

        return end


def _cost(priority: Priority, seconds: float, late: timedelta) -> float:
    ageing = 1 + max(0.0, late / LATE[priority])
    return seconds / WEIGHTS[priority] / ageing
