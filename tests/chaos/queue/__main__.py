"""Plays a run with each kind of senders; writes build/chaos-queue.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time

from kit.paths import checkout
from tests.chaos.queue.disturbances import DISTURBANCES, OF_REDIS, stop_postgres_for_long
from tests.chaos.queue.harness import Disturbance, Plan, play
from tests.chaos.queue.program import Kind

NAMED = {one.__name__: one for one in (*DISTURBANCES, stop_postgres_for_long, *OF_REDIS)}
RUNS = {
    "workers": (Kind.WORKER, Kind.WORKER),
    "senders": (Kind.SENDER, Kind.SENDER),
    "lists": (Kind.LISTS, Kind.LISTS),
    "mixed": (Kind.WORKER, Kind.LISTS),
}
"""What runs, by name of the run."""
MEASURED, LONG = "workers", "senders"
"""Runs with measures, and with a long outage while senders are killed."""


def disturbances(run: str) -> list[Disturbance]:
    """Return what disturbs a run."""
    of_redis = OF_REDIS if Kind.LISTS in RUNS[run] else ()
    return [*DISTURBANCES, *of_redis, *([stop_postgres_for_long] if run == LONG else ())]


def main() -> None:
    """Run; the status is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make chaos-queue")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))  # noqa: S311 - no secret
    parser.add_argument("--run", choices=RUNS, action="append", default=[])
    parser.add_argument("--kills", type=int, default=20, help="at each point")
    parser.add_argument("--random-kills", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=1, help="of all disturbances")
    parser.add_argument("--only", choices=NAMED, action="append", help="disturbances")
    parser.add_argument("--minutes", type=float, default=10.0, help="of old transactions")
    parser.add_argument("--rate", type=float, default=500.0, help="mails a second")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    runs = []
    for run in arguments.run or RUNS:
        chosen = [NAMED[name] for name in arguments.only] if arguments.only else disturbances(run)
        plan = Plan(
            RUNS[run],
            arguments.seed,
            arguments.kills,
            arguments.random_kills,
            chosen,
            arguments.rounds,
            arguments.rate,
            minutes=arguments.minutes if run == MEASURED and arguments.minutes else None,
        )
        say(run)
        runs.append(asyncio.run(play(plan, say)))
        for line in runs[-1]["broken"]:
            say(f"BROKEN  {line}")
    path = checkout() / "build" / "chaos-queue.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(runs, indent=1) + "\n")
    print(path)
    sys.exit(any(run["broken"] for run in runs))


if __name__ == "__main__":
    main()
