"""The tables, the goals and the lines of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.bench.figures import Figure
from tests.bench.sender import costs
from tests.bench.sender.drain import Drained
from tests.bench.sender.wide import Sent

PEER = "aiosmtplib"
DIALOGUE = "SMTP dialogue over TLS"
RATIOS = {
    ("uvloop", False): 0.4,
    ("uvloop", True): 0.95,
    ("asyncio", False): 0.5,
    ("asyncio", True): 1.0,
}
"""Goals, by event loop and by whether the mails are ready."""
BESIDE = "composed and signed while others enqueue, uvloop"
MEMORY, DESCRIPTORS = 250.0, 2_000


@dataclass
class Results:
    """What was measured."""

    bare: dict[str, float] = field(default_factory=dict)
    """Mails a second of the bare loop, by event loop."""
    drains: dict[tuple[str, bool], Drained] = field(default_factory=dict)
    beside: Drained | None = None
    """While others enqueue."""
    sent: list[Sent] = field(default_factory=list)
    memory: tuple[float, float, float] | None = None
    steps: dict[str, float] = field(default_factory=dict)


def name_of(loop: str, *, ready: bool) -> str:
    """Return the name of a drain."""
    return f"{'ready mails' if ready else 'composed and signed'}, {loop}"


def table(results: Results) -> Iterator[str]:
    """Yield the tables, in Markdown."""
    yield "| Two senders | mails/s | of the bare loop | goal |"
    yield "|---|---:|---:|---:|"
    for loop, rate in results.bare.items():
        yield f"| bare loop of aiosmtplib, {loop} | {rate:,.0f} | 1 | |"
    for (loop, ready), drained in results.drains.items():
        ratio, goal = drained.rate / results.bare[loop], RATIOS[loop, ready]
        name = name_of(loop, ready=ready)
        yield f"| {name} | {drained.rate:,.0f} | {ratio:.2f} | {goal} |"
    if results.beside is not None:
        yield f"| {BESIDE} | {results.beside.rate:,.0f} | | |"
    yield ""
    yield from _costs(results)
    yield "| 2,000 addresses | offered | p50 | p99 | goal | connections | descriptors | memory |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for sent in results.sent:
        yield (
            f"| {sent.load.name} | {sent.rate:.0f}/s "
            f"| {sent.half:.2f} s | {sent.most:.2f} s | {sent.load.goal:.1f} s "
            f"| {sent.connections:,} | {sent.descriptors:,} | {sent.memory:.0f} MB |"
        )
    if results.memory is not None:
        before, connected, whole = results.memory
        yield ""
        yield (
            f"Memory of a sender: {before:.0f} MB, with 500 idle connections {connected:.0f} MB, "
            f"with 20,000 keys, too, {whole:.0f} MB."
        )


def _costs(results: Results) -> Iterator[str]:
    """Yield where the microseconds go: by processes, then the sender's by steps."""
    for (loop, ready), drained in results.drains.items():
        each = {name: 1e6 * used / drained.count for name, used in drained.cpu.items()}
        yield f"Processor time of a mail, {name_of(loop, ready=ready)}:"
        yield ""
        yield "| | µs |"
        yield "|---|---:|"
        for name, used in each.items():
            yield f"| {name} | {used:.0f} |"
        steps = {
            name: used
            for name, used in results.steps.items()
            if not (ready and name in costs.COMPOSING)
        }
        for step, used in steps.items():
            yield f"| of the senders: {step} | {used:.0f} |"
        rest = each["senders"] - sum(steps.values())
        yield f"| of the senders: queue, policy, PostgreSQL's client, the rest | {rest:.0f} |"
        yield ""


@dataclass(frozen=True)
class Goal:
    """A goal, and what was measured."""

    name: str
    value: float
    goal: float
    unit: str
    holds: bool


def goals(results: Results) -> Iterator[Goal]:
    """Yield the goals that were measured."""
    for (loop, ready), drained in results.drains.items():
        ratio, least = drained.rate / results.bare[loop], RATIOS[loop, ready]
        yield Goal(name_of(loop, ready=ready), ratio, least, f"of {PEER}", ratio >= least)
    for sent in results.sent:
        yield _most(f"{sent.load.name}, p99", sent.most, sent.load.goal, "s")
        yield _most(f"{sent.load.name}, file descriptors", sent.descriptors, DESCRIPTORS, "")
        yield _most(f"{sent.load.name}, memory", sent.memory, MEMORY, "MB")
    if results.memory is not None:
        yield _most("500 idle connections, 20,000 keys", results.memory[2], MEMORY, "MB")


def _most(name: str, value: float, goal: float, unit: str) -> Goal:
    return Goal(name, value, goal, unit, value <= goal)


def lines(results: Results) -> Iterator[str]:
    """Yield a line for each goal."""
    for goal in goals(results):
        held = "holds         " if goal.holds else "DOES NOT HOLD "
        yield f"{held} {goal.name}: {goal.value:,.2f} {goal.unit}, goal {goal.goal:,}"


def figures(results: Results) -> Iterator[Figure]:
    """Yield the lines of build/bench.json."""
    for loop, rate in results.bare.items():
        yield Figure(f"sender: bare loop of {PEER}, {loop}", rate, "mails/s")
    for (loop, ready), drained in results.drains.items():
        name = f"sender: {name_of(loop, ready=ready)}"
        yield Figure(name, drained.rate, "mails/s", PEER, drained.rate / results.bare[loop])
        for process, used in drained.cpu.items():
            each = 1e6 * used / drained.count
            yield Figure(f"{name}, processor time of {process}", each, "µs")
    if results.beside is not None:
        yield Figure(f"sender: {BESIDE}", results.beside.rate, "mails/s")
    for step, used in results.steps.items():
        yield Figure(f"sender: step, {step}", used, "µs")
    for goal in goals(results):
        if goal.unit in ("s", "MB", ""):
            peer = f"goal of {goal.goal:g} {goal.unit}".strip()
            yield Figure(
                f"sender: {goal.name}", goal.value, goal.unit, peer, goal.value / goal.goal
            )
