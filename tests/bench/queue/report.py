"""The table, the goals and the lines of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, median

from tests.bench.figures import Figure
from tests.bench.queue.contender import Mode
from tests.bench.queue.measuring import MODES, Measured, Results

OWN, LISTS = "sender_queue", "sender_queue_lists"
OURS = (OWN, LISTS)
YARDSTICK = "procrastinate"
DRAINS = {mode: f"drain, {mode[0]}, {mode[1]} handlers" for mode in MODES}
KINDS = {
    "single": "enqueue, one producer",
    "parallel": "enqueue, 16 producers",
    "batch": "enqueue, batches of 1,000",
}
Value = Callable[[Results], float | None]


@dataclass(frozen=True)
class Goal:
    """A ratio to the best durable rival, or to a named one."""

    name: str
    value: Value
    ratio: float
    rival: str | None = None


def _drained(mode: Mode, concurrency: int) -> Value:
    return lambda results: results.rate(mode, concurrency)


def _enqueued(kind: str) -> Value:
    return lambda results: results.enqueued(kind)


GOALS = (
    Goal(DRAINS["equal", 16], _drained("equal", 16), 1.5),
    Goal(DRAINS["equal", 64], _drained("equal", 64), 1.5),
    Goal(DRAINS["own", 64], _drained("own", 64), 2.0),
    Goal(DRAINS["own", 64], _drained("own", 64), 25.0, YARDSTICK),
    Goal(KINDS["single"], _enqueued("single"), 0.8),
    Goal(KINDS["parallel"], _enqueued("parallel"), 1.2),
    Goal(KINDS["batch"], _enqueued("batch"), 1.8),
)


def table(queues: Sequence[Measured]) -> Iterator[str]:
    """Yield the lines of the table, in Markdown."""
    yield "| Queue | equal 16 | equal 64 | own 64 | single | 16 producers | batch 1,000 |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for queue in queues:
        for way in queue.facts["ways"]:
            rates = [queue.results.rate(*mode) if not way else None for mode in MODES]
            rates += [queue.results.enqueued(kind, way) for kind in KINDS]
            cells = ["" if rate is None else f"{rate:,.0f}" for rate in rates]
            title = f"{queue.facts['title']}, {way}" if way else title_of(queue)
            yield f"| {title} | {' | '.join(cells)} |"
    yield ""
    yield "| Queue | idle p50/p99 | half load p50/p99 | WAL a job | dead rows a job | repeated |"
    yield "|---|---:|---:|---:|---:|---|"
    for queue in queues:
        results = queue.results
        cells = [
            f"{results.delays[load][0]:.1f}/{results.delays[load][1]:.1f} ms"
            if load in results.delays
            else ""
            for load in ("idle", "half")
        ]
        costs = results.costs
        cells.append(f"{mean(cost.wal for cost in costs):,.0f} B" if costs else "")
        cells.append(f"{mean(cost.versions for cost in costs):.1f}" if costs else "")
        seen = "" if results.repeated is None else f"{results.repeated} seen; "
        yield f"| {queue.facts['title']} | {' | '.join(cells)} | {seen}{queue.facts['kill']} |"
    yield ""
    for queue in queues:
        chosen = {f"{mode} {count}": value for (mode, count), value in queue.results.best.items()}
        yield f"{queue.facts['title']}: {chosen}"
        yield from (f"{queue.facts['title']}, not counted: {f}" for f in queue.results.failures)


def title_of(queue: Measured) -> str:
    """Return its name with version, Python and durability."""
    facts = queue.facts
    durable = "" if facts["durable"] else ", not durable"
    return f"{facts['title']} {facts['version']} (Python {facts['python']}{durable})"


def goals(queues: Sequence[Measured]) -> Iterator[str]:
    """Yield a line for each goal."""
    for goal in GOALS:
        name = f"{goal.name}, to {goal.rival or 'the best durable rival'}"
        found = compared(queues, goal.value, goal.rival)
        if found is None:
            yield f"not measured   {name}"
            continue
        peer, ratio = found
        held = "holds         " if ratio >= goal.ratio else "DOES NOT HOLD "
        yield f"{held} {name}: {ratio:.2f} of {peer}, goal {goal.ratio}"


def figures(queues: Sequence[Measured]) -> Iterator[Figure]:
    """Yield the lines of build/bench.json."""
    for goal in GOALS:
        found = compared(queues, goal.value, goal.rival)
        own = next((goal.value(queue.results) for queue in queues if queue.name == OWN), None)
        if own is not None:
            beside = f", beside {goal.rival}" if goal.rival else ""
            peer, ratio = found or (None, None)
            yield Figure(f"queue: {goal.name}, {OWN}{beside}", own, "jobs/s", peer, ratio)
    for queue in queues:
        for name, value, unit in others(queue):
            yield Figure(f"queue: {name}, {queue.name}", value, unit)


def others(queue: Measured) -> Iterator[tuple[str, float, str]]:
    """Yield what has no goal: all of rivals, and the rest of ours."""
    results = queue.results
    for (kind, way), rates in results.enqueues.items():
        if queue.name != OWN or way:
            yield f"{KINDS[kind]}{way and f', {way}'}", median(rates), "jobs/s"
    for mode, rates in results.drains.items():
        if queue.name != OWN:
            yield DRAINS[mode], median(rates), "jobs/s"
    for load, (half, most) in results.delays.items():
        yield f"delay, {load}, p50", half, "ms"
        yield f"delay, {load}, p99", most, "ms"
    if results.costs:
        yield "WAL of a job", mean(cost.wal for cost in results.costs), "B"
        yield "dead rows of a job", mean(cost.versions for cost in results.costs), ""


def compared(
    queues: Sequence[Measured], value: Value, rival: str | None = None
) -> tuple[str, float] | None:
    """Return the best durable rival, or the named one, and our ratio to it."""
    own = next((value(queue.results) for queue in queues if queue.name == OWN), None)
    rates = [
        (rate, queue.facts["title"])
        for queue in queues
        if queue.name not in OURS and queue.facts["durable"] and rival in (None, queue.name)
        if (rate := value(queue.results))
    ]
    if own is None or not rates:
        return None
    best, title = max(rates)
    return title, own / best
