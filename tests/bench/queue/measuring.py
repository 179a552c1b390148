"""Measures one queue; each measured step is a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from kit.paths import checkout
from kit.waiting import wait_until
from tests.bench.queue.contender import Mode, Setting
from tests.bench.queue.stores import Costs, Stores

MODES: list[tuple[Mode, int]] = [("equal", 16), ("equal", 64), ("own", 64)]
LIMIT = 20.0
"""Seconds for one drain: a queue that does not finish is reported, and not counted."""
TRIAL, TRIAL_LIMIT = 4, 8.0
"""The part of a drain's jobs with which a setting is tried, and seconds for that."""
SINGLES, PARALLEL, BATCH, BATCHES = 1_500, 4_000, 1_000, 20
"""Jobs that one producer and sixteen enqueue one by one; jobs of a batch; batches."""
PRODUCERS = 16
IDLE_RATE, IDLE_SECONDS, HALF_SECONDS = 20.0, 4.0, 4.0


class StepFailed(Exception):
    """A step ended with an error, or not in time; says the end of its output."""


@dataclass
class Results:
    """What was measured of one queue."""

    drains: dict[tuple[Mode, int], list[float]] = field(default_factory=lambda: defaultdict(list))
    best: dict[tuple[Mode, int], Setting] = field(default_factory=dict)
    costs: list[Costs] = field(default_factory=list)
    """Of each job of a drain with the queue's own batches."""
    enqueues: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    """By kind and way."""
    delays: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Idle and at half load: ms that half of the jobs and that 99 of 100 wait at most."""
    repeated: int | None = None
    """Handled and not acknowledged when a worker was killed."""
    failures: list[str] = field(default_factory=list)

    def rate(self, mode: Mode, concurrency: int) -> float | None:
        """Return the median of the drains in jobs a second."""
        drains = self.drains.get((mode, concurrency))
        return median(drains) if drains else None

    def enqueued(self, kind: str, way: str = "") -> float | None:
        """Return the median in jobs a second."""
        rates = self.enqueues.get((kind, way))
        return median(rates) if rates else None


class Measured:
    """A queue, the interpreter that has it, and what is known of it."""

    def __init__(self, name: str, python: Path, stores: Stores, scale: float) -> None:
        self.name = name
        self.results = Results()
        self._python = python
        self._stores = stores
        self.facts: dict[str, Any] = self.step("describe", modes=MODES)
        self._jobs = max(200, int(self.facts["jobs"] * scale))
        self._scale = scale

    def step(self, step: str, **values: Any) -> Any:
        """Run a step to its end; raises StepFailed."""
        try:
            done = subprocess.run(
                self._command(step),
                cwd=checkout(),
                input=self._input(values),
                capture_output=True,
                text=True,
                timeout=3 * LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StepFailed(f"{step}: no end after {3 * LIMIT:.0f} s") from None
        if done.returncode:
            raise StepFailed(f"{step}: {(done.stderr.strip() or 'killed').splitlines()[-1]}")
        return json.loads(done.stdout.splitlines()[-1])

    def choose(self) -> str:
        """Try each setting once with some of the jobs, and keep the fastest of each mode."""
        trial = self._jobs // TRIAL
        for place, (mode, concurrency) in enumerate(MODES):
            settings = self.facts["settings"][place]
            rates: list[float] = [0.0]
            if len(settings) > 1:
                rates = [
                    self._drained(concurrency, setting, trial, TRIAL_LIMIT) or 0
                    for setting in settings
                ]
            self.results.best[mode, concurrency] = settings[rates.index(max(rates))]
        return str(list(self.results.best.values()))

    def drain(self, mode: Mode, concurrency: int) -> str:
        """Measure one drain, and its costs where the queue has its own batches."""
        setting = self.results.best[mode, concurrency]
        costs: list[Costs] = []
        rate = self._drained(concurrency, setting, self._jobs, LIMIT, costs)
        if rate is None:
            return "not finished"
        self.results.drains[mode, concurrency].append(rate)
        if mode == "own":
            self.results.costs += costs
        return f"{rate:,.0f} jobs/s"

    def enqueue(self) -> str:
        """Measure the kinds of enqueueing, by each way."""
        counts = {"single": SINGLES, "parallel": PARALLEL}
        counts = {kind: max(100, int(count * self._scale)) for kind, count in counts.items()}
        batches = max(1, min(BATCHES, self.facts["jobs"] // BATCH))
        rates = []
        for way in self.facts["ways"]:
            for kind, count, producers, size in (
                ("single", counts["single"], 1, 1),
                ("parallel", counts["parallel"], PRODUCERS, 1),
                ("batch", max(1, int(batches * self._scale)) * BATCH, 1, BATCH),
            ):
                url = self._store(0)
                values = {"count": count, "producers": producers, "size": size, "way": way}
                rate = self.step("enqueue", url=url, layout=self._layout(), **values)
                self.results.enqueues[kind, way].append(rate)
                rates.append(f"{rate:,.0f}")
        return f"{', '.join(rates)} jobs/s"

    def delay(self) -> str:
        """Measure how long jobs wait for their handler, idle and at half of the drain's rate."""
        half = (self.results.rate("equal", 64) or 0) / 2
        for load, rate, seconds in (
            ("idle", IDLE_RATE, IDLE_SECONDS),
            ("half", half, HALF_SECONDS),
        ):
            count = max(20, int(rate * seconds * min(1, self._scale)))
            if rate and (found := self._delayed(rate, count)):
                self.results.delays[load] = found
        return str(self.results.delays)

    def kill(self) -> str:
        """Kill a worker in the middle of a drain."""
        setting = self.results.best["own", 64]
        url = self._store(self._jobs, setting)
        with TemporaryDirectory() as directory:
            journal = Path(directory) / "journal"
            values = {"count": self._jobs, "concurrency": 64, "setting": setting, "limit": LIMIT}
            with self._started("drain", url=url, journal=str(journal), **values):
                wait_until(
                    lambda: journal.exists() and journal.stat().st_size > self._jobs / 3,
                    seconds=LIMIT,
                )
            handled = journal.stat().st_size
        if not self.facts["redis"]:
            self._stores.settled()
        left = self.step("waiting", url=url)
        self.results.repeated = handled - (self._jobs - left)
        return f"{self.results.repeated} repeated"

    def _delayed(self, rate: float, count: int) -> tuple[float, float] | None:
        url, setting = self._store(0), self.results.best["equal", 64]
        values = {"count": count, "concurrency": 64, "setting": setting, "limit": LIMIT}
        with self._started("listen", url=url, **values) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            self.step("pace", url=url, count=count, rate=rate, layout=self._layout())
            output, _ = worker.communicate(timeout=2 * LIMIT)
        found = json.loads(output.splitlines()[-1])
        if "p50" not in found:
            self._unfinished("delay", found["handled"], count, LIMIT)
            return None
        return found["p50"], found["p99"]

    def _drained(
        self,
        concurrency: int,
        setting: Setting,
        count: int,
        limit: float,
        costs: list[Costs] | None = None,
    ) -> float | None:
        url = self._store(count, setting)
        values = {"count": count, "concurrency": concurrency, "setting": setting, "limit": limit}
        found: list[Costs] = []
        if self.facts["redis"]:
            drained = self.step("drain", url=url, **values)
        else:
            with self._stores.costs(found):
                drained = self.step("drain", url=url, **values)
        if "rate" not in drained:
            self._unfinished(f"drain with {setting}", drained["handled"], count, limit)
            return None
        if costs is not None:
            costs += [Costs(one.wal / count, one.versions / count) for one in found]
        return float(drained["rate"])

    def _unfinished(self, what: str, handled: int, count: int, limit: float) -> None:
        self.results.failures.append(f"{what}: {handled} of {count} after {limit:.0f} s")

    def _layout(self) -> str:
        return str(self._usual().get("layout", ""))

    def _usual(self) -> Setting:
        """Return the setting of `equal 64`, the first one where none was chosen."""
        place = MODES.index(("equal", 64))
        first: Setting = self.facts["settings"][place][0]
        return self.results.best.get(MODES[place], first)

    def _store(self, count: int, setting: Setting | None = None) -> str:
        chosen = self._usual() if setting is None else setting
        layout = chosen.get("layout", "")
        redis = self.facts["redis"]
        return self._stores.filled(self.name, self.step, layout, count, in_redis=redis)

    @contextmanager
    def _started(self, step: str, **values: Any) -> Iterator[subprocess.Popen[str]]:
        """Run a step as long as the context is entered, then kill it."""
        with subprocess.Popen(
            self._command(step),
            cwd=checkout(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            process.stdin.write(self._input(values))
            process.stdin.close()
            process.stdin = None  # communicate would flush it
            try:
                yield process
            finally:
                process.kill()

    def _input(self, values: dict[str, Any]) -> str:
        return json.dumps({"redis_url": self._stores.redis_url, **values})

    def _command(self, step: str) -> list[str]:
        return [str(self._python), "-m", "tests.bench.queue.step", self.name, step]
