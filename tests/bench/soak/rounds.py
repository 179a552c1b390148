"""What a round of the dispatcher costs, by the buckets that exist and by those that are due."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.bench.soak.processes import producer, workers
from tests.bench.soak.store import Case, Store, say

TOTALS = (1_000, 30_000, 300_000)
DUE = (10, 100, 1_000)
EACH = 3
"""Jobs of a bucket."""
RATE = 500.0
SECONDS = 15.0


@dataclass(frozen=True)
class Point:
    """One measured point."""

    total: int
    due: int
    plan: float
    """Seconds of processor time of a plan that claims something, on average."""
    cpu: float
    """Seconds of processor time of the worker in a second of time."""
    claim_p99: float


def measure(store: Store, totals: tuple[int, ...] = TOTALS) -> list[Point]:
    """Measure each number of due buckets among each number of all buckets."""
    points = []
    for total in totals:
        store.fill(Case(rows=total * EACH, buckets=total))
        for due in DUE:
            store.hold(total // due)
            with workers(store.dsn, 1) as (worker,), producer(store.dsn, RATE):
                time.sleep(SECONDS)  # warms caches and plans
                before = worker.ask()["cpu"]
                time.sleep(SECONDS)  # is measured
                found = worker.ask()
            cpu = (found["cpu"] - before) / SECONDS
            point = Point(total, due, found["plan_mean"], cpu, found["claim_p99"])
            points.append(point)
            say(f"{total:,} buckets, {due:,} due: plan {1e6 * point.plan:.0f} µs, {point.cpu:.2f}")
    return points
