"""The states of a message in words."""

from __future__ import annotations

from sender.schemas import State

WORDS = {
    State.HANDING_OVER: "being handed over",
    State.UNKNOWN: "outcome unknown",
    State.BOUNCED_INFRASTRUCTURE: "bounced: infrastructure",
    State.BOUNCED_CONTENT: "bounced: content",
}
"""Wording of states whose names are not clear by themselves."""
MOVING = {State.QUEUED, State.HANDING_OVER, State.HELD, State.DEFERRED}
"""States that are not final."""


def in_words(state: State) -> str:
    """Return a state in words."""
    return WORDS.get(state, state.replace("_", " "))


def reason_in_words(reason: str | None) -> str:
    """Return a reason such as `warmup_cap_reached` in words."""
    return (reason or "").replace("_", " ")
