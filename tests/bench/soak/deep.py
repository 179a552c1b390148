"""Many waiting jobs of which few may be claimed: memory, claims, and what operators look at."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.bench.soak import views
from tests.bench.soak.processes import Process, producer, workers
from tests.bench.soak.store import Case, Store, say

RATE = 500.0
SECONDS = 30.0
"""Of a steady load whose claims are measured."""
AHEAD = 5_000
"""Jobs that wait for a claim while workers claim as fast as they can."""
SMALL = 10_000


@dataclass
class Deep:
    """What was measured of one case."""

    case: Case
    claims: int
    """That were made before the measurement."""
    rate: float
    """Of these, jobs a second."""
    claim_p50: float
    claim_p99: float
    """Seconds, at a steady load."""
    memory: float
    """The most of the worker's process, in MB."""
    views: dict[str, float] = field(default_factory=dict)
    """Seconds of each look of an operator."""


def measure(store: Store, case: Case, claims: int) -> Deep:
    """Measure one case."""
    store.fill(case)
    looks = {}
    if case.rows > SMALL:
        looks = views.measure(store.dsn)
        for name, seconds in looks.items():
            say(f"{seconds:8.3f} s  {name}")
    with workers(store.dsn, 1, "empty") as (worker,), producer(store.dsn, 0.0) as source:
        rate, memory = _claim(worker, source, claims)
        _drain(worker)
        say(f"{claims:,} claims of {case.name}: {rate:,.0f} a second, {memory:.0f} MB")
    with workers(store.dsn, 1) as (worker,), producer(store.dsn, RATE):
        time.sleep(SECONDS / 3)  # warms caches and plans
        worker.ask()
        time.sleep(SECONDS)  # is measured
        found = worker.ask()
        memory = max(memory, worker.memory)
    say(f"{case.name}: claim p99 {1000 * found['claim_p99']:.1f} ms, {memory:.0f} MB")
    return Deep(case, claims, rate, found["claim_p50"], found["claim_p99"], memory, looks)


def _drain(worker: Process) -> None:
    """Wait until nothing is left that may be claimed."""
    before = -1
    while (now := worker.ask()["jobs"]) != before:
        before = now
        time.sleep(1)  # a claim takes milliseconds: none in a second is the end


def _claim(worker: Process, source: Process, claims: int) -> tuple[float, float]:
    """Let a worker claim so many jobs; return how many a second, and its memory in MB."""
    began, put, memory, said = time.monotonic(), 0, 0.0, 0.0
    while (claimed := worker.ask()["jobs"]) < claims:
        if put - claimed < AHEAD:
            put = source.ask(str(AHEAD))["jobs"]
        memory = max(memory, worker.memory)
        now = time.monotonic()
        if now - said > 10:
            said = now
            say(f"{claimed:,} claims, {memory:.0f} MB")
        time.sleep(0.02)  # looks cost the worker little
    return claims / (time.monotonic() - began), max(memory, worker.memory)
