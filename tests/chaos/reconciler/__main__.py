"""Plays a run, or those that show the auditor's teeth; writes build/chaos-….json."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time

from kit.paths import checkout
from tests.chaos.clocks import AN_HOUR
from tests.chaos.reconciler.disturbances import DISTURBANCES, every_kill
from tests.chaos.reconciler.harness import Plan, play
from tests.chaos.reconciler.switches import Without
from tests.chaos.reconciler.trials import TRIALS, compare

NAMED = {one.__name__: one for one in DISTURBANCES}


def main() -> None:
    """Run; the status is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))  # noqa: S311 - no secret
    parser.add_argument("--tenants", type=int, default=8)
    parser.add_argument("--reconcilers", type=int, default=3)
    parser.add_argument("--kills", type=int, default=2, help="of each target at each point")
    parser.add_argument("--random-kills", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3, help="of all disturbances")
    parser.add_argument("--only", choices=NAMED, action="append", help="disturbances")
    parser.add_argument("--faults", type=float, default=1.0, help="factor of their probability")
    parser.add_argument("--edits", type=int, default=60, help="of tenants, at least")
    parser.add_argument("--seconds", type=float, default=1800, help="of disturbances, at most")
    parser.add_argument(
        "--right-clocks", action="store_true", help="otherwise one reconciler's is an hour off"
    )
    parser.add_argument(
        "--teeth", action="store_true", help="switch off what protects, one at a time, instead"
    )
    parser.add_argument(
        "--without",
        type=Without,
        choices=list(TRIALS),
        action="append",
        help="of what protects, with --teeth; otherwise all",
    )
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    plan = Plan(
        seed=arguments.seed,
        tenants=arguments.tenants,
        reconcilers=arguments.reconcilers,
        edits=arguments.edits,
        kills=every_kill(arguments.kills),
        random_kills=arguments.random_kills,
        faults=arguments.faults,
        disturbances=[NAMED[name] for name in arguments.only or NAMED],
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        clock="" if arguments.right_clocks else AN_HOUR[arguments.seed % 2],
    )
    if arguments.teeth:
        run = compare(arguments.seed, say, arguments.without or TRIALS)
    else:
        run = play(plan, say)
    figures = asyncio.run(run)
    for line in figures["broken"]:
        say(f"BROKEN  {line}")
    name = "chaos-teeth" if arguments.teeth else "chaos-reconciler"
    path = checkout() / "build" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(path)
    sys.exit(bool(figures["broken"]))


if __name__ == "__main__":
    main()
