"""Pauses an address that failed, then tries it with one mail."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sender.smtp.limits import Limits
from sender.smtp.outcomes import Outcome, Result, Stage

FORGOTTEN_AFTER = 3600.0
"""Seconds after which a failed address that was not tried again counts as a new one."""


class BreakerState(StrEnum):
    """Whether an address gets mail."""

    CLOSED = "closed"
    OPEN = "open"
    """It failed: nothing is tried for now."""
    HALF_OPEN = "half_open"
    """One mail may try it."""
    PROBING = "probing"
    """One mail tries it."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Why an address is paused, and for how long."""

    reason: str
    words: str
    seconds: float


@dataclass
class Breaker:
    """Of one address. Its moments are those of a clock that never steps."""

    limits: Limits
    trouble: Outcome | None = None
    """What the address failed with; None while it is closed."""
    until: float = 0.0
    _pauses: int = 0
    _refusals: int = 0
    """Mails in a row that were not accepted."""
    _is_probing: bool = False

    def state(self, now: float) -> BreakerState:
        """Return the state at a moment."""
        if self.trouble is None:
            return BreakerState.CLOSED
        if self._is_probing:
            return BreakerState.PROBING
        return BreakerState.OPEN if now < self.until else BreakerState.HALF_OPEN

    def enter(self, now: float) -> Outcome | None:
        """Ask for a mail; an outcome means that it is not to be tried.

        In the state `half_open` the mail becomes the probe.
        """
        state = self.state(now)
        if state is BreakerState.HALF_OPEN:
            self._is_probing = True
        if self.trouble is None or state is BreakerState.HALF_OPEN:
            return None
        untried = self.trouble._replace(stage=Stage.WAITING, begun=False, usable=False)
        if self.trouble.result is Result.UNKNOWN:  # of that mail, not of this one
            return untried._replace(result=Result.BROKEN, reason="connection_lost")
        return untried

    def rest(self, now: float) -> Rest | None:
        """Return why nothing is tried for now; None: something may be."""
        refusal = self.enter(now) if self.state(now) is BreakerState.OPEN else None
        if refusal is None:
            return None
        return Rest(refusal.reason, refusal.reply, self.until - now)

    def is_forgettable(self, now: float) -> bool:
        """Whether nothing is left to know of the address."""
        return self.trouble is None or now > self.until + FORGOTTEN_AFTER

    def give_up(self) -> None:
        """End a probe that found nothing out."""
        self._is_probing = False

    def succeeded(self) -> None:
        """Close: the address works."""
        self.trouble = None
        self._pauses = self._refusals = 0
        self._is_probing = False

    def refused(self, outcome: Outcome, now: float) -> bool:
        """Note a mail that was not accepted; return whether that opened the breaker."""
        self._refusals += 1
        if not self._is_probing and self._refusals < self.limits.refusals:
            return False
        self.failed(outcome, now)
        return True

    def failed(self, outcome: Outcome, now: float) -> None:
        """Open, each time for longer."""
        pause = min(self.limits.pause * 2.0 ** min(self._pauses, 30), self.limits.longest_pause)
        self.trouble, self.until = outcome, now + pause
        self._pauses += 1
        self._is_probing = False
