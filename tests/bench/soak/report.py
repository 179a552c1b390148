"""The tables, the verdicts and the lines of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from statistics import mean

from tests.bench.figures import Figure
from tests.bench.soak.deep import Deep
from tests.bench.soak.hour import RATE, Hour, growing
from tests.bench.soak.rounds import Point

MEMORY = 200.0
"""MB of a process at most."""
CLAIMS = 2.0
"""How many times longer than in a small queue a claim may take in a deep one."""
REACHED = 0.95
"""The part of the rate that workers must reach."""
LOOK = 1.0
"""Seconds of a look at most."""
ROUNDS = 2.0
"""How many times more than among few buckets a plan may cost among many."""


@dataclass
class Results:
    """What was measured; empty where a part was left out."""

    hour: Hour | None = None
    deep: list[Deep] = field(default_factory=list)
    small: list[Deep] = field(default_factory=list)
    """The small queue that each of them is compared with, before and after it: the machine may have
    become busier meanwhile."""
    points: list[Point] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all goals hold."""
        return all(is_held for is_held, _ in _goals(self))


def _goals(results: Results) -> Iterator[tuple[bool, str]]:
    if results.hour is not None:
        grown = growing(results.hour)
        names = ", ".join(f"{one.name} by {one.growth:.2f} {one.unit}" for one in grown)
        reached = results.hour.rate / RATE
        yield reached >= REACHED, f"{reached:.2f} of {RATE:.0f} jobs/s, goal {REACHED}"
        yield not grown, f"no growth in {results.hour.minutes:.0f} minutes{names and f': {names}'}"
    for one, around in zip(results.deep, pairwise(results.small), strict=True):
        yield one.memory <= MEMORY, f"{one.case.name}: {one.memory:.0f} MB, goal {MEMORY:.0f}"
        usual = mean(small.claim_p99 for small in around)
        ratio = one.claim_p99 / usual if usual else 0.0
        yield ratio <= CLAIMS, f"{one.case.name}: claim p99 {ratio:.2f} of small, goal {CLAIMS}"
        for name, seconds in one.views.items():
            if seconds > LOOK:
                yield False, f"{one.case.name}: {name} {seconds:.2f} s, goal {LOOK}"
    for due, few, many in _pairs(results.points):
        ratio = many.plan / few.plan if few.plan else 0.0
        words = f"a plan among {many.total:,} buckets costs {ratio:.2f} of one among {few.total:,}"
        yield ratio <= ROUNDS, f"{due:,} due buckets: {words}, goal {ROUNDS}"


def _in_turns(results: Results) -> Iterator[Deep]:
    """Yield all in the order in which they were measured."""
    for small, deep in zip_longest(results.small, results.deep):
        yield small
        if deep is not None:
            yield deep


def _pairs(points: Sequence[Point]) -> Iterator[tuple[int, Point, Point]]:
    for due in sorted({point.due for point in points}):
        some = [point for point in points if point.due == due]
        if len(some) > 1:
            yield due, some[0], some[-1]


def verdicts(results: Results) -> Iterator[str]:
    """Yield a line for each goal."""
    for is_held, words in _goals(results):
        yield f"{'holds        ' if is_held else 'DOES NOT HOLD'}  {words}"


def table(results: Results) -> Iterator[str]:
    """Yield the tables, in Markdown."""
    if results.deep:
        yield "| Queue | memory | claim p50/p99 at 500/s | claims a second, at most |"
        yield "|---|---:|---:|---:|"
        for one in _in_turns(results):
            claims = f"{1000 * one.claim_p50:.1f}/{1000 * one.claim_p99:.1f} ms"
            rate = f"{one.rate:,.0f}" if one.claims else ""
            yield f"| {one.case.name} | {one.memory:.0f} MB | {claims} | {rate} |"
        yield ""
        yield "| Look | " + " | ".join(one.case.name for one in results.deep) + " |"
        yield "|---" + "|---:" * len(results.deep) + "|"
        for name in results.deep[-1].views:
            cells = [f"{one.views[name]:.3f} s" for one in results.deep]
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""
    if results.points:
        yield "| Buckets | due | a plan | processor | claim p99 |"
        yield "|---:|---:|---:|---:|---:|"
        for point in results.points:
            yield (
                f"| {point.total:,} | {point.due:,} | {1e6 * point.plan:.0f} µs "
                f"| {100 * point.cpu:.0f} % | {1000 * point.claim_p99:.1f} ms |"
            )
        yield ""
    if results.hour is not None:
        found = results.hour
        yield f"{found.rate:.0f} jobs/s for {found.minutes:.0f} minutes, {found.waiting:,} left"
        yield ""
        yield "| | median | growth | |"
        yield "|---|---:|---:|---|"
        for row in found.series:
            verdict = "grows" if row.grows else ""
            yield (
                f"| {row.name} | {row.median:.3f} {row.unit} | {row.growth:+.3f} {row.unit} "
                f"| {verdict} |"
            )


def figures(results: Results) -> Iterator[Figure]:
    """Yield the lines of build/bench.json."""
    for one in (*results.small[:1], *results.deep):
        yield Figure(f"soak: {one.case.name}, memory", one.memory, "MB")
        yield Figure(f"soak: {one.case.name}, claim p99", 1000 * one.claim_p99, "ms")
        for name, seconds in one.views.items():
            yield Figure(f"soak: {one.case.name}, {name}", seconds, "s")
    for point in results.points:
        name = f"soak: {point.due:,} due of {point.total:,} buckets"
        yield Figure(f"{name}, plan", 1e6 * point.plan, "µs")
        yield Figure(f"{name}, processor", 100 * point.cpu, "%")
    if results.hour is not None:
        for series in results.hour.series:
            yield Figure(f"soak: {series.name}, growth", series.growth, series.unit)
