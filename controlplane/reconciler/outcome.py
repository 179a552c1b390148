"""How a pass ended, and when the next one comes."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """How a pass ended, and when the next one comes."""

    SETTLED = "settled"
    """At the next resync."""
    AGAIN = "again"
    """Soon."""
    STALLED = "stalled"
    """At the next resync, which repeats nothing that failed; the next apply repeats it."""
    GONE = "gone"
    """Never: the tenant is deleted."""
    LEFT = "left"
    """Another worker holds the lease."""
