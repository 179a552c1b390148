"""Probes of `/health`: the database, and the heartbeats of all parts on all machines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from composition.heartbeat import Progress
from composition.parts.settings import Part
from composition.supervisor import down_reason
from controlplane.database import API, OPERATOR, Database, time_of
from controlplane.freezes.repository import frozen
from controlplane.health.endpoints import Probe, ProbeFailed, shared
from controlplane.health.heartbeats import Heartbeat, read
from controlplane.purchases.repository import is_restored
from controlplane.queue.probing import problems
from controlplane.schedule.repository import backlog

RESTORED = "database restored: nothing is bought or ended before `penguin purchases recover`"
SILENT_SECONDS = 10.0
"""A process that has written nothing for longer is stopped, hung or gone."""
IDLE_SECONDS = {
    Part.API: 30.0,
    Part.PUBLIC: 30.0,
    Part.RECONCILER: 600.0,
    Part.SENDER: 60.0,
    Part.CHECKER: 600.0,
}
"""How long a loop may go without progress. A pass reports each step and each line of an operation;
its longest silence is a task that installs packages, or the wait for SSH of a new host."""


LATE_SECONDS = 900.0
"""A pass that is due has a worker by then, unless operations that take long keep all of them."""


def probes(database: Database, progress: Progress | None = None) -> Mapping[str, Probe]:
    """Return a probe for each part, and for the queue that the sender works from.

    `progress` is that of this process: whether it can write its own heartbeat.
    """

    async def read_all() -> Sequence[Heartbeat]:
        async with database.begin(API) as connection:
            return await read(connection)

    heartbeats = shared(read_all)

    async def probe_queue() -> str:
        unwritten = progress.unwritten if progress else ""
        return await _probe_queue(heartbeats, queue_problems, unwritten)

    queue_problems = shared(partial(problems, database))
    late = shared(partial(_late_passes, database))
    freezes = shared(partial(_freezes, database))
    restored = shared(partial(_restored, database))

    async def probe_reconciler() -> str:
        detail = await _probe_part(Part.RECONCILER, heartbeats)
        own = [beat for beat in await heartbeats() if beat.part == Part.RECONCILER]
        found = sorted({await late(), await restored(), *(beat.trouble for beat in own)} - {""})
        if found:
            raise ProbeFailed("; ".join(found))
        return "; ".join([detail, *await freezes()])

    parts: dict[str, Probe] = {part: partial(_probe_part, part, heartbeats) for part in Part}
    return {**parts, Part.RECONCILER: probe_reconciler, "queue": probe_queue}


async def _probe_part(part: Part, heartbeats: Callable[[], Awaitable[Sequence[Heartbeat]]]) -> str:
    reason = down_reason(part)
    if reason:
        raise ProbeFailed(reason)
    reported = [heartbeat for heartbeat in await heartbeats() if heartbeat.part == part]
    if not reported:
        raise ProbeFailed("no process has reported within the last hour")
    troubles = [problem for problem in map(_problem, reported) if problem]
    if troubles:
        raise ProbeFailed("; ".join(troubles))
    return "1 process" if len(reported) == 1 else f"{len(reported)} processes"


async def _late_passes(database: Database) -> str:
    """Return which tenants wait for their pass for too long; empty when none does."""
    async with database.begin(OPERATOR) as connection:
        due = await backlog(connection, now=await time_of(connection))
    return "; ".join(
        f"{each.passes} passes that are due ({each.why}) have no worker, the oldest for "
        f"{each.seconds / 60:.0f} minutes"
        for each in due
        if each.seconds > LATE_SECONDS
    )


async def _restored(database: Database) -> str:
    """Return that nothing is bought and ended after a restore; empty where it is."""
    async with database.begin(OPERATOR) as connection:
        is_stopped = await is_restored(connection)
    return RESTORED if is_stopped else ""


async def _freezes(database: Database) -> list[str]:
    """Return what an operator has frozen: nothing fails, but not everything is done."""
    async with database.begin(OPERATOR) as connection:
        return [f"{one.what} frozen: {one.reason}" for one in await frozen(connection)]


async def _probe_queue(
    heartbeats: Callable[[], Awaitable[Sequence[Heartbeat]]],
    queue_problems: Callable[[], Awaitable[Sequence[str]]],
    unwritten: str,
) -> str:
    if unwritten:  # then heartbeats say nothing
        raise ProbeFailed(unwritten)
    found = list(await queue_problems())
    senders = [beat for beat in await heartbeats() if beat.part == Part.SENDER]
    fresh = [beat for beat in senders if beat.silent <= SILENT_SECONDS]
    if not senders:
        found.append("no sender has reported within the last hour")
    elif not fresh:
        silent = min(beat.silent for beat in senders)
        found.append(f"every sender has been silent for {silent:.0f} s or more")
    found += sorted({beat.trouble for beat in fresh} - {""})
    if found:
        raise ProbeFailed("; ".join(dict.fromkeys(found)))
    return "answers the sender"


def _problem(heartbeat: Heartbeat) -> str:
    """Return the problem of one process; empty when there is none."""
    name = f"process {heartbeat.process} on {heartbeat.instance.partition(':')[0]}"
    if heartbeat.silent > SILENT_SECONDS:
        return f"{name} has been silent for {heartbeat.silent:.0f} s"
    if heartbeat.idle > IDLE_SECONDS[Part(heartbeat.part)]:
        return f"{name} has made no progress for {heartbeat.idle:.0f} s"
    return ""
