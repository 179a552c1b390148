"""Runs all measurements, prints them, and stores them in build/bench.json."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from statistics import median_low
from typing import TypeVar

from tests.bench.figures import store
from tests.bench.sender import costs, drain, mails, report, wide
from tests.bench.sender.loops import LOOPS
from tests.bench.sender.processes import running
from tests.bench.sender.world import PASSWORD, Size, World, dkim_key, world

SIZE = Size(tenants=10, addresses=40, domains=50, mailboxes=400)
Value = TypeVar("Value")
COUNT, DIALOGUES = 20_000, 8_000
SECONDS = 20.0
"""Of each load over many addresses."""
REPETITIONS = 3
PARTS = ("drain", "beside", "wide", "memory")


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(prog="make bench-sender")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part")
    parser.add_argument("--loop", action="append", choices=LOOPS)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of mails")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    arguments = parser.parse_args()
    parts, loops = arguments.only or PARTS, arguments.loop or LOOPS
    count = max(400, int(COUNT * arguments.scale))
    results = report.Results(steps=dict(costs.steps()))
    with world() as found:
        facts = f"{drain.machine()}, {found.facts()}"
        if "drain" in parts:
            results.steps[report.DIALOGUE] = _said("a dialogue", lambda: _dialogue(found))
            for loop in loops:
                _drain(found, loop, count, arguments.repetitions, results)
        if "beside" in parts:
            results.beside = _said(
                "while others enqueue",
                lambda: drain.drain(found, SIZE, "uvloop", count, ready=False, beside=True),
            )
        if "memory" in parts:
            results.memory = _said("memory", lambda: _memory(found))
        if "wide" in parts:
            seconds = max(5.0, SECONDS * arguments.scale)
            results.sent = _said(
                "2,000 addresses", lambda: wide.measure(found, "uvloop", wide.LOADS, seconds)
            )
    store(list(report.figures(results)), "sender")
    print(f"\n{facts}\n")
    for line in (*report.table(results), "", *report.lines(results)):
        print(line)


def _drain(found: World, loop: str, count: int, repetitions: int, results: report.Results) -> None:
    """Measure in turns, so that a busy moment of the machine meets all, and keep the medians."""
    rates: list[float] = []
    drains: dict[bool, list[drain.Drained]] = {True: [], False: []}
    for _ in range(repetitions):
        rates.append(_said(f"bare loop, {loop}", partial(_bare, found, loop, count)))
        for ready, drained in drains.items():
            measure = partial(drain.drain, found, SIZE, loop, count, ready=ready)
            drained.append(_said(report.name_of(loop, ready=ready), measure))
    results.bare[loop] = median_low(rates)
    for ready, drained in drains.items():
        drained.sort(key=attrgetter("rate"))
        results.drains[loop, ready] = drained[len(drained) // 2]


def _bare(found: World, loop: str, count: int) -> float:
    found.fresh()
    _, chains = found.settle(Size(1, 1, 1, 1), drain.PORT)
    with drain.receiver(chains, loop) as sink:
        return drain.bare_loop(sink, loop, count)


def _dialogue(found: World) -> float:
    found.fresh()
    tenants, chains = found.settle(SIZE, drain.PORT)
    addresses = [one.model_dump(mode="json") for tenant in tenants for one in tenant.addresses]
    with (
        drain.receiver(chains, "uvloop"),
        running(
            "dialogue",
            loop="uvloop",
            password=PASSWORD,
            addresses=addresses[: len(addresses) // drain.SENDERS],
            count=DIALOGUES,
            mails=list(mails.ready_mails()),
        ) as process,
    ):
        used: float = process.ask()
        return used


def _memory(found: World) -> tuple[float, float, float]:
    found.fresh()
    tenants, chains = found.settle(Size(500, 500, 500, 500), drain.PORT)
    addresses = [
        address.model_dump(mode="json") for tenant in tenants for address in tenant.addresses
    ]
    with (
        drain.receiver(chains, "uvloop"),
        running(
            "memory",
            loop="uvloop",
            pem=dkim_key()[0].decode(),
            password=PASSWORD,
            addresses=addresses,
        ) as process,
    ):
        before, connected, whole = process.ask()
        return before, connected, whole


def _said(what: str, measure: Callable[[], Value]) -> Value:
    began = time.monotonic()
    found = measure()
    print(f"{time.monotonic() - began:5.1f} s  {what}: {found}", flush=True)
    return found


if __name__ == "__main__":
    main()
