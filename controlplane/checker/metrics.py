"""Metrics of one checker process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from controlplane.checks.kinds import CheckKind
from kit.metrics import Labels, Metric, exposition


class Result(StrEnum):
    """How a check ended."""

    RIGHT = "right"
    WRONG = "wrong"
    UNANSWERED = "unanswered"
    """Not all was answered, and nothing of it was wrong."""
    FAILED = "failed"
    """It could not be made."""


@dataclass
class Metrics:
    """Of one process, since it began."""

    overdue: float = 0.0
    """For how many seconds the oldest check has been due."""
    _checks: Counter[Labels] = field(default_factory=Counter)

    def ended(self, kind: CheckKind, result: Result) -> None:
        """Count a check."""
        self._checks[kind.value, result.value] += 1

    def text(self) -> str:
        """Return everything in Prometheus' text form."""
        about = "For how long the oldest check has been due."
        return exposition(
            [
                Metric.gauge("penguin_checker_overdue_seconds", about, self.overdue),
                Metric(
                    "penguin_checker_checks_total",
                    "counter",
                    "Checks from outside that have ended, by what was checked and how.",
                    ("kind", "result"),
                    {
                        (kind.value, result.value): float(self._checks[kind.value, result.value])
                        for kind in CheckKind
                        for result in Result
                    },
                ),
            ]
        )
