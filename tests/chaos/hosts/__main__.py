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
from tests.chaos.hosts.scene import Say, Scene, scene
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
    with scene(say, rng) as made:
        results, broken = play(made, names, with_first, say)
    figures = {
        "seed": arguments.seed,
        "seconds": time.monotonic() - began,
        "results": [asdict(result) for result in results],
        "broken": broken,
    }
    path = checkout() / "build" / "test-hosts.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print_table(results)
    for line in broken:
        say(f"BROKEN  {line}")
    print(path)
    sys.exit(bool(broken))


def play(
    made: Scene, names: list[str], with_first: bool, say: Say
) -> tuple[list[Result], list[str]]:
    """Play all troubles; return the results, and what was broken."""
    results: list[Result] = []
    if with_first:
        interrupted = interrupt_each_role(made)
        what = "; ".join(f"{how} in {', '.join(roles)}" for how, roles in interrupted.items())
        say(what)
    wait_for(made.has_address, seconds=900, longest_pause=0.5)
    with made.sender.throughout():
        ready = made.until_ready()
        say(f"Ready, and mail is taken, {ready:.0f} s later")
        if with_first:
            results.append(finished(made, f"first configuration: {what}", ready, Counter()))
        for name in names:
            trouble = TROUBLES[name]
            say(trouble.what)
            before = counts(made)
            try:
                trouble.play(made)
                result = finished(made, trouble.what, made.until_ready(), before)
            except Exception as error:  # noqa: BLE001 - the others are played all the same
                result = Result(trouble.what, 0, 0, 0, 0, f"{type(error).__name__}: {error}")
            results.append(result)
            say(str(result))
    broken = [f"{result.trouble}: {result.broken}" for result in results if result.broken]
    return results, broken + lost(made)


def finished(made: Scene, what: str, ready: float, before: Counter[str]) -> Result:
    """Run the playbooks once more, and judge."""
    changed = made.changed_tasks()
    made.until_ready()
    new = counts(made) - before
    refused = new["refused"]
    broken = f"the run after changed {changed} tasks" if changed else ""
    if refused and not any(each.loses and each.what == what for each in TROUBLES.values()):
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
