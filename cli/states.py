"""The states of a message in words."""

from __future__ import annotations

WORDS = {
    "migrated_to_redis": "ready to send",
    "handing_over": "being handed over",
    "unknown": "outcome unknown",
    "bounced_infrastructure": "bounced: infrastructure",
    "bounced_content": "bounced: content",
}
"""States whose names do not say by themselves what they mean to a person."""
MOVING = {"queued", "migrated_to_redis", "handing_over", "held", "deferred"}
"""States that the sender still changes by itself."""
GOOD = {"accepted"}


def in_words(state: str) -> str:
    """Return a state as people read it."""
    return WORDS.get(state, state.replace("_", " "))


def reason_in_words(reason: str | None) -> str:
    """Return a reason such as `warmup_cap_reached` as people read it."""
    return (reason or "").replace("_", " ")
