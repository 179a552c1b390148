"""Runs all measurements in turns, so that a busy moment of the machine meets all queues."""

from __future__ import annotations

import argparse
import os
import pickle
import platform
import sys
import time
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path

from kit.paths import checkout
from tests.bench.figures import store
from tests.bench.queue import environments, report
from tests.bench.queue.measuring import MODES, Measured, StepFailed
from tests.bench.queue.stores import Stores, running

STEPS = ("drain", "enqueue", "delay", "kill")
RIVALS = ("procrastinate", "pgqueuer", "awa", "saq_postgres", "saq_redis", "arq")
NEWER_RIVALS = ("oban",)
MINUTES = 20.0
KEPT = checkout() / "build" / "bench-queue" / "results.pickle"
"""What a run that was broken off has measured, for `--resume`."""


class Run:
    """The queues of a run and its time limit."""

    def __init__(self, stores: Stores, only: list[str], scale: float, *, resume: bool) -> None:
        interpreters: dict[str, Path | None] = dict.fromkeys(report.OURS, Path(sys.executable))
        interpreters |= dict.fromkeys(RIVALS, environments.rivals())
        interpreters |= dict.fromkeys(NEWER_RIVALS, environments.newer_rivals())
        self.queues = []
        self._deadline = time.monotonic() + 60 * MINUTES
        for name, python in interpreters.items():
            if only and name not in only:
                continue
            if python is None:
                print(f"{name}: not run, no Python 3.12 or later is found")
                continue
            self.queues.append(Measured(name, python, stores, scale))
        self._done: set[tuple[str, str]] = set()
        if resume and KEPT.exists():
            self._done, results = pickle.loads(KEPT.read_bytes())  # noqa: S301 - written by `_keep`
            for queue in self.queues:
                queue.results = results.get(queue.name, queue.results)

    def all(self, what: str, measure: Callable[[Measured], str]) -> None:
        """Measure something of each queue; a failure is kept beside the queue's results."""
        for queue in self.queues:
            if (what, queue.name) in self._done:
                continue
            if time.monotonic() > self._deadline:
                queue.results.failures.append(f"{what}: no time was left")
                continue
            began = time.monotonic()
            try:
                found = measure(queue)
            except StepFailed as failure:
                queue.results.failures.append(f"{what}: {failure}")
                found = str(failure)
            print(f"{time.monotonic() - began:5.1f} s  {what}, {queue.name}: {found}", flush=True)
            self._done.add((what, queue.name))
            self._keep()

    def _keep(self) -> None:
        results = {queue.name: queue.results for queue in self.queues}
        KEPT.write_bytes(pickle.dumps((self._done, results)))


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(prog="make bench-queue")
    parser.add_argument("--only", action="append", default=[], help="name of a queue")
    parser.add_argument("--step", action="append", choices=STEPS, help="all by default")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of jobs")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--resume", action="store_true", help="go on with a broken run")
    arguments = parser.parse_args()
    steps = arguments.step or STEPS
    with running() as stores:
        facts = stores.facts()
        run = Run(stores, arguments.only, arguments.scale, resume=arguments.resume)
        if {"drain", "delay", "kill"} & set(steps):
            run.all("choose settings", Measured.choose)
        for number in range(1, arguments.repetitions + 1):
            for mode in MODES if "drain" in steps else ():
                run.all("{} drain {} {}".format(number, *mode), methodcaller("drain", *mode))
            if "enqueue" in steps:
                run.all(f"{number} enqueue", Measured.enqueue)
        if "delay" in steps:
            run.all("delay", Measured.delay)
        if "kill" in steps:
            run.all("kill", Measured.kill)
    store(list(report.figures(run.queues)), "queue")
    print(f"\n{os.cpu_count()} CPUs ({platform.machine()}), {facts}\n")
    for line in (*report.table(run.queues), "", *report.goals(run.queues)):
        print(line)


if __name__ == "__main__":
    main()
