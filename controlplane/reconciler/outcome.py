"""How a pass went, and when the next one comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from controlplane.conditions.model import TENANT
from kit.faults import Fault


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


@dataclass
class Report:
    """What a pass has met so far."""

    stalled: bool
    """Whether something had failed for good before this pass, and the document is the same."""
    failures: list[tuple[str, Fault]] = field(default_factory=list)
    """Subject and what failed on it."""
    waits: bool = False
    """Whether something is to be observed again soon."""

    @property
    def lasting(self) -> list[Fault]:
        """Return the failures that trying again cannot help."""
        return [fault for _, fault in self.failures if not fault.retryable]

    @property
    def stops(self) -> bool:
        """Return whether something of the tenant as a whole failed for good: no more changes."""
        return any(at == TENANT and not fault.retryable for at, fault in self.failures)
