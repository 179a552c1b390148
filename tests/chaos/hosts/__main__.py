"""Plays troubles on a real lab host; writes build/test-hosts.json, and prints a table."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass

from kit.paths import checkout
from tests.chaos.hosts.interruptions import interrupt_each_role
from tests.chaos.hosts.scene import Scene, scene
from tests.chaos.hosts.troubles import TROUBLES
from tests.support.waiting import wait_for

FIRST = "first"
"""Name of the interruptions of the first configuration."""


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    trouble: str
    ready: float
    """Seconds from when its cause was gone until the tenant was Ready and mail was taken."""
    changed: int
    """By the run after."""
    mails: int
    """Taken since the trouble before."""
    refused: int
    """Refused for good since then."""
    broken: str = ""
    """Which promise was."""


def main() -> None:
    """Play; the status is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make test-hosts")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))  # noqa: S311 - no secret
    parser.add_argument("--only", choices=[FIRST, *TROUBLES], action="append", help="these")
    arguments = parser.parse_args()
    rng, began = random.Random(arguments.seed), time.monotonic()  # noqa: S311 - no secret
    print(f"seed {arguments.seed}", flush=True)

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    names = [name for name in TROUBLES if name in (arguments.only or TROUBLES)]
    rng.shuffle(names)
    with_first = FIRST in (arguments.only or [FIRST])
    results: list[Result] = []
    broken = ["the run was broken off"]
    try:
        with scene(say, rng) as made:
            play(made, names, with_first, results)
            broken = [f"{each.trouble}: {each.broken}" for each in results if each.broken]
            broken += lost(made)
    finally:
        report(arguments.seed, time.monotonic() - began, results, broken)
    sys.exit(bool(broken))


def report(seed: int, seconds: float, results: list[Result], broken: list[str]) -> None:
    """Write and print what is known, also of a run that was broken off."""
    path = checkout() / "build" / "test-hosts.json"
    path.parent.mkdir(exist_ok=True)
    lines = [asdict(result) for result in results]
    figures = {"seed": seed, "seconds": seconds, "results": lines, "broken": broken}
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print_table(results)
    for line in broken:
        print(f"BROKEN  {line}")
    print(path)


def play(made: Scene, names: list[str], with_first: bool, results: list[Result]) -> None:
    """Play all troubles, and add the result of each."""
    what = ""
    with made.written_to():
        if with_first:
            interrupted = interrupt_each_role(made)
            what = "; ".join(f"{how} in {', '.join(roles)}" for how, roles in interrupted.items())
            made.say(what)
        ready = made.until_ready()
        made.say(f"Ready {ready:.0f} s later")
        if with_first:
            results.append(finished(made, f"first configuration: {what}", ready, Counter()))
            made.say(str(results[-1]))
        for name in names:
            trouble = TROUBLES[name]
            made.say(trouble.what)
            before = counts(made)
            try:
                trouble.play(made)
                result = finished(made, trouble.what, made.until_ready(), before)
            except Exception as error:  # noqa: BLE001 - the others are played all the same
                result = Result(trouble.what, 0, 0, 0, 0, f"{type(error).__name__}: {error}")
            results.append(result)
            made.say(str(result))


def finished(made: Scene, what: str, ready: float, before: Counter[str]) -> Result:
    """Run the playbooks once more, and judge."""
    changed = made.changed_tasks()
    made.until_ready()
    new = counts(made) - before
    refused = new["refused"]
    broken = f"the run after changed {changed} tasks" if changed else ""
    if refused:
        broken = f"{refused} mails were refused for good"
    return Result(what, round(ready, 1), changed, new["accepted"], refused, broken)


def counts(made: Scene) -> Counter[str]:
    """Return how many mails the sender elsewhere has got rid of."""
    sender = made.sender
    return Counter(accepted=len(sender.accepted), refused=len(sender.refused))


def lost(made: Scene) -> list[str]:
    """Compare what was sent and what is in the mailbox."""
    sent = sorted(made.sender.accepted)
    wait_for(lambda: len(set(made.found())) >= len(set(sent)), seconds=300, longest_pause=1)
    found = Counter(made.found())
    made.say(f"{len(sent)} mails were sent, {len(found)} found")
    broken = [f"{number} is lost" for number in sent if number not in found]
    twice = {number for number, count in found.items() if count > 1}
    return broken + [f"{number} came twice" for number in twice - made.sender.unanswered]


def print_table(results: list[Result]) -> None:
    """Print the results as they are in the documentation."""
    print(
        "\n| Trouble | Ready again (s) | Tasks changed by the run after | Mails taken | Refused |"
    )
    print("|---|---:|---:|---:|---:|")
    for each in results:
        row = (each.trouble, f"{each.ready:.0f}", each.changed, each.mails, each.refused)
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
