"""Metrics of one reconciler process: workers, passes, operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.slots import Slots
from kit.metrics import Labels, Metric, exposition


@dataclass
class Metrics:
    """Of one process, since it began."""

    workers: int = 0
    sweep_age: Callable[[], float] | None = None
    """Returns how long ago the account was listed; None where it is not."""
    slots: Slots | None = None
    _busy: int = 0
    _passes: Counter[Labels] = field(default_factory=Counter)
    _operations: Counter[Labels] = field(default_factory=Counter)
    _seconds: Counter[Labels] = field(default_factory=Counter)
    _peaks: dict[Labels, float] = field(default_factory=dict)

    @contextmanager
    def working(self) -> Iterator[Callable[[], None]]:
        """Count a worker as busy, until the end of the block or a call of what it yields."""
        is_busy = True
        self._busy += 1

        def leave() -> None:
            nonlocal is_busy
            self._busy -= is_busy
            is_busy = False

        try:
            yield leave
        finally:
            leave()

    def passes_ended(self, outcome: Outcome, count: int = 1) -> None:
        """Count passes."""
        self._passes[outcome.value,] += count

    def operation_ended(
        self, phase: str, outcome: str, took: timedelta, peak: int | None = None
    ) -> None:
        """Count an operation, how long it took, and the memory of its largest process; bytes."""
        if peak is not None:
            self._peaks[phase,] = max(peak, self._peaks.get((phase,), 0))
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
                *self._of_slots(),
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
                Metric(
                    "penguin_reconciler_operation_peak_bytes",
                    "gauge",
                    "The most memory that a process of an operation has had, by phase.",
                    ("phase",),
                    self._peaks,
                ),
            ]
        )

    def _of_slots(self) -> list[Metric]:
        if self.slots is None:
            return []
        used: dict[Labels, float] = {
            (pool.value, "used"): float(count) for pool, count in self.slots.used.items()
        }
        free: dict[Labels, float] = {
            (pool.value, "free"): float(self.slots.limits[pool] - count)
            for pool, count in self.slots.used.items()
        }
        about = "Slots for operations of this process."
        return [
            Metric("penguin_reconciler_slots", "gauge", about, ("pool", "state"), {**used, **free})
        ]

    def _of_sweep(self) -> list[Metric]:
        if self.sweep_age is None:
            return []
        about = "How long ago the provider's account was listed."
        return [Metric.gauge("penguin_reconciler_sweep_age_seconds", about, self.sweep_age())]
