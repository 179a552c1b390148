"""Mail that was claimed, and then found to be stopped."""

from __future__ import annotations

from sender.queue import Outcome, State
from sender.schemas import Stop, StopScope

OF_MESSAGES = frozenset({StopScope.CAMPAIGN, StopScope.QUEUE})
"""Scopes that no bucket is named by: only a claim shows what they hold."""


def stopped(stop: Stop, apart: str) -> Outcome:
    """Let a message wait, where not its whole bucket is stopped, in the bucket `apart`.

    So each message is claimed in vain once at most, whatever is stopped and for how long.
    """
    bucket = apart if stop.scope in OF_MESSAGES else None
    return Outcome(State.RELEASED, "stopped", stop.sentence, spent=0, bucket=bucket)
