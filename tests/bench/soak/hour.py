"""An hour of steady work: what must not grow, sampled."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.bench.soak.processes import producer, workers
from tests.bench.soak.store import SQL, Case, Store, say

CASE = Case(rows=400, buckets=400, every=1)
RATE = 500.0
WORKERS = 2
SETTLING = 0.2
"""The part of the time that is not looked at: caches and tables get their size."""
SAMPLES = 120
MB = 1024 * 1024
TOLERANCES = {"MB": (0.1, 10.0), "rows": (0.5, 20_000.0), "s": (0.5, 0.02)}
"""By unit: how much more at the end is no growth, as a part of the median, or in all."""


@dataclass
class Series:
    """Samples of one figure."""

    name: str
    unit: str
    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, at: float, value: float) -> None:
        """Add a sample."""
        self.times.append(at)
        self.values.append(value)

    @property
    def settled(self) -> list[tuple[float, float]]:
        """Return the samples that are looked at."""
        first = SETTLING * self.times[-1] if self.times else 0.0
        return [
            (at, value) for at, value in zip(self.times, self.values, strict=True) if at >= first
        ]

    @property
    def median(self) -> float:
        """Return the median of the samples that are looked at."""
        values = sorted(value for _, value in self.settled)
        return values[len(values) // 2] if values else 0.0

    @property
    def growth(self) -> float:
        """Return by how much it grows in the time that is looked at: the median of all slopes."""
        points = self.settled
        slopes = sorted(
            (b - a) / (until - since)
            for place, (since, a) in enumerate(points)
            for until, b in points[place + 1 :]
        )
        return slopes[len(slopes) // 2] * (points[-1][0] - points[0][0]) if slopes else 0.0

    @property
    def grows(self) -> bool:
        """Whether it grows by more than is tolerated."""
        part, least = TOLERANCES[self.unit]
        return self.growth > max(part * self.median, least)


@dataclass
class Hour:
    """What was measured."""

    minutes: float
    rate: float
    """Jobs a second that were claimed."""
    waiting: int
    """Jobs that were left at the end."""
    series: list[Series]


def measure(store: Store, minutes: float) -> Hour:
    """Work for so many minutes."""
    store.fill(CASE)
    series: dict[tuple[str, str], Series] = {}

    def note(at: float, name: str, unit: str, value: float) -> None:
        series.setdefault((name, unit), Series(name, unit)).add(at, value)

    with (
        workers(store.dsn, WORKERS) as processes,
        producer(store.dsn, RATE) as source,
        psycopg.connect(store.dsn, autocommit=True) as connection,
    ):
        began = time.monotonic()
        seconds = 60 * minutes
        pause = max(2.0, seconds / SAMPLES)
        claimed = 0
        while (at := time.monotonic() - began) < seconds:
            for name, unit, value in _sample(connection):
                note(at, name, unit, value)
            answers = [process.ask() for process in processes]
            for number, (process, answer) in enumerate(zip(processes, answers, strict=True)):
                note(at, f"memory of worker {number}", "MB", process.memory)
                if answer["claims"]:
                    note(at, f"claim p99 of worker {number}", "s", answer["claim_p99"])
            claimed = sum(answer["jobs"] for answer in answers)
            say(f"{at / 60:5.1f} min  {claimed:,} claimed of {source.ask()['jobs']:,}")
            time.sleep(pause)  # until the next sample
        waiting = source.ask()["jobs"] - sum(process.ask()["jobs"] for process in processes)
    return Hour(minutes, claimed / at if at else 0.0, max(0, waiting), list(series.values()))


def _sample(connection: psycopg.Connection[Any]) -> Iterator[tuple[str, str, float]]:
    for table, octets, index_octets, dead in connection.execute(SQL.sizes):
        yield f"table {table}", "MB", octets / MB
        yield f"indexes of {table}", "MB", index_octets / MB
        yield f"dead rows of {table}", "rows", float(dead)


def growing(found: Hour) -> Sequence[Series]:
    """Return what grows."""
    return [one for one in found.series if one.grows]
