"""How a pass ended, and when the next one comes."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """How a pass ended; each member says when the next one is due."""

    SETTLED = "settled"
    """At the next resync."""
    AT_REST = "at rest"
    """At the next resync: all that the last pass depended on is as it was."""
    RETRY = "retry"
    """Soon."""
    STALLED = "stalled"
    """At the next resync, which repeats nothing that failed; the next apply repeats it."""
    WAITING = "waiting"
    """When a slot for its operation is free."""
    DELETED = "deleted"
    """Never: the tenant is deleted."""
    LEASE_LOST = "lease lost"
    """Another worker holds the lease."""
