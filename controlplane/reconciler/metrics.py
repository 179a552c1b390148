"""Metrics of one reconciler process: workers, passes, operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from controlplane.reconciler.outcome import Outcome
from kit.metrics import Labels, Metric, exposition


@dataclass
class Metrics:
    """Of one process, since it began."""

    workers: int = 0
    sweep_age: Callable[[], float] | None = None
    """Returns how long ago the account was listed; None where it is not."""
    _busy: int = 0
    _passes: Counter[Labels] = field(default_factory=Counter)
    _operations: Counter[Labels] = field(default_factory=Counter)
    _seconds: Counter[Labels] = field(default_factory=Counter)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count a worker as busy."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    def pass_ended(self, outcome: Outcome) -> None:
        """Count a pass."""
        self._passes[outcome.value,] += 1

    def operation_ended(self, phase: str, outcome: str, took: timedelta) -> None:
        """Count an operation, and how long it took."""
        self._operations[phase, outcome] += 1
        # A clock that steps must not let a counter fall. Whole milliseconds are added exactly.
        self._seconds[phase, outcome] += max(0, round(took / timedelta(milliseconds=1)))

    def text(self) -> str:
        """Return everything in Prometheus' text form."""
        labels = ("phase", "outcome")
        return exposition(
            [
                *self._of_sweep(),
                Metric(
                    "penguin_reconciler_workers",
                    "gauge",
                    "Workers of this process, each for one pass at a time.",
                    ("state",),
                    {("busy",): self._busy, ("idle",): self.workers - self._busy},
                ),
                Metric(
                    "penguin_reconciler_passes_total",
                    "counter",
                    "Passes that have ended, by how; `lease lost`: another process took over.",
                    ("outcome",),
                    {(each.value,): float(self._passes[each.value,]) for each in Outcome},
                ),
                Metric(
                    "penguin_reconciler_operations_total",
                    "counter",
                    "Operations that have ended, by phase and outcome.",
                    labels,
                    {key: float(count) for key, count in self._operations.items()},
                ),
                Metric(
                    "penguin_reconciler_operation_seconds_total",
                    "counter",
                    "How long these operations took together.",
                    labels,
                    {key: count / 1000 for key, count in self._seconds.items()},
                ),
            ]
        )

    def _of_sweep(self) -> list[Metric]:
        if self.sweep_age is None:
            return []
        about = "How long ago the provider's account was listed."
        return [Metric.gauge("penguin_reconciler_sweep_age_seconds", about, self.sweep_age())]
