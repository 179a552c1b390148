"""Runs all parts, prints what was found, and stores it in build/bench.json."""

from __future__ import annotations

import argparse
import sys

from tests.bench.figures import store
from tests.bench.soak import deep, hour, report, rounds
from tests.bench.soak.store import Case, running

PARTS = ("hour", "deep", "rounds")
MINUTES = 60.0
ROWS = 10_000_000
CLAIMS = 1_000_000
BUCKETS = (1_000, 300_000)


def main() -> int:
    """Measure, print and store; return 1 if something grows or costs too much."""
    parser = argparse.ArgumentParser(prog="make soak-queue")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of the steady work")
    parser.add_argument("--rows", type=int, default=ROWS, help="of the deep queue")
    parser.add_argument("--buckets", type=int, action="append", help="that they are in")
    parser.add_argument("--claims", type=int, default=CLAIMS, help="before claims are measured")
    arguments = parser.parse_args()
    parts = arguments.only or PARTS
    results = report.Results()
    with running() as found:
        facts = found.facts()
        if "rounds" in parts:
            results.points = rounds.measure(found)
        if "deep" in parts:
            small = Case(deep.SMALL, min(BUCKETS))
            results.small.append(deep.measure(found, small, 0))
            for buckets in arguments.buckets or BUCKETS:
                case = Case(arguments.rows, min(buckets, arguments.rows))
                results.deep.append(deep.measure(found, case, arguments.claims))
                results.small.append(deep.measure(found, small, 0))
        if "hour" in parts:
            results.hour = hour.measure(found, arguments.minutes)
    store(list(report.figures(results)), "soak")
    print(f"\n{facts}\n")
    for line in (*report.table(results), "", *report.verdicts(results)):
        print(line)
    return 0 if results.holds else 1


if __name__ == "__main__":
    sys.exit(main())
