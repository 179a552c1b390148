"""What became of each mail, and whether that is what the sender promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from uuid import UUID

from sender.queue import operations
from tests.chaos.queue.scene import End, Scene

FULL_RATE = 500.0
"""Mails a second."""
LOST_WITH_ITS_SENDERS = "ends_its_worker"
ANSWER_LOST = "answer_lost"


@dataclass(frozen=True)
class Fate:
    """A job in the database."""

    id: UUID
    state: str
    reason: str | None


async def fates(scene: Scene) -> dict[UUID, Fate]:
    """Return all jobs."""
    async with scene.admin() as connection:
        rows = await connection.execute("select id, state, reason from queue.records")
        return {row[0]: Fate(*row) for row in await rows.fetchall()}


def broken(scene: Scene, jobs: dict[UUID, Fate]) -> Iterator[str]:
    """Yield each promise that was not kept."""
    received = Counter(job for job, _ in scene.received())
    mixed = {(job, n) for job, n in scene.received() if scene.offered.get(_int(n)) != _uuid(job)}
    if mixed:
        yield f"{len(mixed)} mails received that were not enqueued: {sorted(mixed)[:5]}"
    if twice := [jobs.get(UUID(hex=job)) for job, count in received.items() if count > 1]:
        yield f"{len(twice)} received twice: {twice[:5]}"
    cancelled = _cancelled(scene, jobs)
    if sent := {job for job in cancelled if job.hex in received}:
        yield f"{len(sent)} cancelled and received: {list(sent)[:5]}"
    offered = {id_: jobs.get(id_) for id_ in scene.offered.values() if id_ not in cancelled}
    settled = {"unknown", "dead"}
    missing = [
        job or id_
        for id_, job in offered.items()
        if id_.hex not in received and (job is None or job.state not in settled)
    ]
    if missing:
        yield f"{len(missing)} missing: {missing[:5]}"
    others = [job for job in jobs.values() if job.id not in cancelled]
    if reasonless := [job for job in others if job.state == "dead" and not job.reason]:
        yield f"{len(reasonless)} dead without a reason: {reasonless[:5]}"
    if left := [job for job in others if job.state not in ("done", *settled)]:
        yield f"{len(left)} neither done nor given up: {left[:5]}"
    yield from _unexplained(scene, jobs)
    for id_ in scene.poison:
        if jobs[id_].reason != LOST_WITH_ITS_SENDERS:
            yield f"a mail that ends its senders is {jobs[id_]}"
    if scene.ends and not any(end.account.written for end in scene.ends):
        yield "no killed sender has seen an outcome committed: what is doubtful is not known"
    yield from scene.faults


async def settle(scene: Scene, jobs: dict[UUID, Fate]) -> None:
    """Resolve unknown outcomes by the receiver's log, and replay what is dead, except poison."""
    received = {job for job, _ in scene.received()}
    unknown = [job.id for job in jobs.values() if job.state == "unknown"]
    async with scene.admin() as connection:
        for had_effect in (True, False):
            ids = [id_ for id_ in unknown if (id_.hex in received) == had_effect]
            await operations.resolve(connection, ids, had_effect=had_effect)
        dead = {job.id for job in jobs.values() if job.state == "dead"}
        await operations.replay(connection, list(dead - scene.poison))


def unsettled(scene: Scene, jobs: dict[UUID, Fate]) -> Iterator[str]:
    """Yield what is not received exactly once when everything is settled."""
    received = Counter(job for job, _ in scene.received())
    cancelled = _cancelled(scene, jobs)
    offered = {id_.hex for id_ in scene.offered.values() if id_ not in cancelled}
    if received.keys() != offered or received.total() != len(offered):
        yield (
            f"{len(offered)} offered, {len(received)} received"
            f" ({received.total()} times in all) after everything was settled"
        )


@dataclass(frozen=True)
class Kills:
    """Those at one point."""

    point: str
    kills: int
    unknown: int
    doubtful: int
    """Jobs whose intent may have been committed, and whose outcome was not."""
    least_open: int
    """Hand-overs."""
    median_open: float
    median_rate: float
    """Mails a second that were offered just before."""
    at_full_rate: int
    """Kills before which it was at least the one of the goal."""


def kills(scene: Scene, jobs: dict[UUID, Fate]) -> list[Kills]:
    """Sum up the kills at each point."""
    unknown = {job.id.hex for job in jobs.values() if job.state == "unknown"}
    by_point: dict[str, list[End]] = {}
    for end in scene.ends:
        by_point.setdefault(end.point, []).append(end)
    return [
        Kills(
            point,
            len(ends),
            sum(len(end.account.doubtful & unknown) for end in ends),
            sum(len(end.account.doubtful) for end in ends),
            min(end.account.open for end in ends),
            median(end.account.open for end in ends),
            round(median(end.rate for end in ends)),
            sum(end.rate >= FULL_RATE for end in ends),
        )
        for point, ends in sorted(by_point.items())
    ]


def states(jobs: dict[UUID, Fate]) -> dict[str, int]:
    """Count jobs by state, and those that did not simply succeed by reason too."""
    return dict(Counter(f"{job.state} {job.reason or ''}".strip() for job in jobs.values()))


def _cancelled(scene: Scene, jobs: dict[UUID, Fate]) -> set[UUID]:
    """Return what was cancelled in time, because it was to be."""
    return {id_ for id_ in scene.withdrawn if id_ in jobs and jobs[id_].state == "cancelled"}


def _unexplained(scene: Scene, jobs: dict[UUID, Fate]) -> Iterator[str]:
    """An unknown outcome needs a killed sender with its intent, or a host that did not answer.

    A host that becomes dark may not even have read the last bytes, so that its log has none of it.
    """
    explained = scene.unanswered().union(*(end.account.doubtful for end in scene.ends))
    unexplained = [
        job
        for job in jobs.values()
        if job.state == "unknown"
        and job.id.hex not in explained
        and not (job.reason == ANSWER_LOST and scene.ips.get(job.id) in scene.darkened)
    ]
    if unexplained:
        yield f"{len(unexplained)} unknown without a kill after its intent: {unexplained[:5]}"


def _int(number: str) -> int:
    return int(number) if number.isdecimal() else 0


def _uuid(job: str) -> UUID | None:
    return None if job == "none" else UUID(hex=job)
