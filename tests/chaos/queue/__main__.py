"""Plays a run with each kind of senders; writes build/chaos-queue.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time

from kit.paths import checkout
from tests.chaos.clocks import WRONG
from tests.chaos.queue import measures
from tests.chaos.queue.disturbances import DISTURBANCES, OF_REDIS, darken_hosts, end_sessions
from tests.chaos.queue.harness import Plan, play
from tests.chaos.queue.measures import Measures
from tests.chaos.queue.program import Kind

NAMED = {one.__name__: one for one in (*DISTURBANCES, *OF_REDIS)}
MEASURED = ("outages", "neighbours", "transactions")
RUNS = ("senders", "lists", "mixed", "hosts")
SHARE = 4
"""The other runs have a part of the kills of the whole senders."""
HOSTS, QUIET_RATE = 2_000, 50.0
"""Of the run with many hosts; its rate leaves time for their handshakes."""


def measured(minutes: float) -> dict[str, Measures]:
    """Return what is measured in the run of the whole senders."""
    ways = (measures.of_outages, measures.of_neighbours, measures.of_transactions(minutes))
    return dict(zip(MEASURED, ways, strict=True))


def planned(run: str, arguments: argparse.Namespace) -> Plan:
    """Return what happens in a run."""
    plan = Plan(
        seed=arguments.seed,
        kills=arguments.kills // SHARE,
        random_kills=arguments.random_kills // SHARE,
        rate=arguments.rate,
        rounds=arguments.rounds,
    )
    match run:
        case "senders":
            plan.kills, plan.random_kills = arguments.kills, arguments.random_kills
            plan.clocks = WRONG
            plan.measures = [
                measure
                for name, measure in measured(arguments.minutes).items()
                if name in (arguments.measure or MEASURED)
            ]
        case "lists":
            plan.kinds = (Kind.LISTS, Kind.LISTS)
        case "mixed":
            plan.kinds = (Kind.WORKER, Kind.LISTS)
        case "hosts":
            plan.hosts, plan.rate = HOSTS, min(plan.rate, QUIET_RATE)
            plan.kills, plan.disturbances = 0, (darken_hosts, end_sessions)
            plan.measures = [measures.of_dark_hosts]
    if Kind.LISTS in plan.kinds:
        plan.disturbances = (*DISTURBANCES, *OF_REDIS)
    if arguments.only:
        plan.disturbances = [NAMED[name] for name in arguments.only]
    return plan


def main() -> None:
    """Run; the status is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make chaos-queue")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))  # noqa: S311 - no secret
    parser.add_argument("--run", choices=RUNS, action="append", default=[])
    parser.add_argument("--kills", type=int, default=20, help="at each point")
    parser.add_argument("--random-kills", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=1, help="of all disturbances")
    parser.add_argument("--only", choices=NAMED, action="append", help="disturbances")
    parser.add_argument("--measure", choices=(*MEASURED, "nothing"), action="append")
    parser.add_argument("--minutes", type=float, default=10.0, help="of old transactions")
    parser.add_argument("--rate", type=float, default=600.0, help="mails a second")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    runs = []
    for run in arguments.run or RUNS:
        say(run)
        runs.append({"run": run} | asyncio.run(play(planned(run, arguments), say)))
        for line in runs[-1]["broken"]:
            say(f"BROKEN  {line}")
    path = checkout() / "build" / "chaos-queue.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(runs, indent=1) + "\n")
    print(path)
    sys.exit(any(run["broken"] for run in runs))


if __name__ == "__main__":
    main()
