"""A worker of the queue, with what a sender has loaded, as a process; answers lines of input."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sender import daemon  # noqa: F401 - the memory of a process is that of a sender
from sender.queue import Attempt, Outcome, Settings, State, Worker, worker_pool
from sender.queue.buckets import Claim
from sender.queue.model import Result
from sender.queue.store import Claimed
from tests.bench.sender.loops import runner
from tests.support.plain_log import log_plainly

RETRIED = 20
"""Of so many jobs, one is tried twice."""
RETRY = Outcome(State.RETRY, "tried_again", delay=timedelta(seconds=2))


@dataclass
class Measured(Worker):
    """A worker that measures its plans and claims."""

    claims: list[float] = field(default_factory=list)
    """Seconds from the plan of each claim to its jobs, since they were last asked for."""
    plans: list[float] = field(default_factory=list)
    """Seconds of processor time of each plan that claims something."""
    claimed_jobs: int = 0
    _planned: dict[int, float] = field(default_factory=dict)

    def plan(self, ending: Sequence[Result]) -> list[Claim]:
        """Measure it."""
        began = time.thread_time()
        claims = super().plan(ending)
        if claims:
            self.plans.append(time.thread_time() - began)
            self._planned[id(claims)] = time.perf_counter()
        return claims

    def claimed(self, claims: Sequence[Claim], found: Sequence[Claimed], ending: int) -> None:
        """Measure how long it took."""
        planned = self._planned.pop(id(claims), None)
        if planned is not None and found:
            self.claims.append(time.perf_counter() - planned)
        self.claimed_jobs += len(found)
        super().claimed(claims, found, ending)

    def failed(self, claims: Sequence[Claim], token: int, ending: int) -> None:
        """Forget it."""
        self._planned.pop(id(claims), None)
        super().failed(claims, token, ending)

    def figures(self) -> dict[str, Any]:
        """Return what was measured since the last call."""
        claims, plans = sorted(self.claims), sorted(self.plans)
        self.claims, self.plans = [], []
        return {
            "jobs": self.claimed_jobs,
            "claims": len(claims),
            "claim_p50": _part(claims, 0.5),
            "claim_p99": _part(claims, 0.99),
            "plan_mean": sum(plans) / len(plans) if plans else 0.0,
            "cpu": time.process_time(),
        }


def _part(ascending: Sequence[float], part: float) -> float:
    return ascending[min(len(ascending) - 1, int(len(ascending) * part))] if ascending else 0.0


async def work(dsn: str, name: str, kind: str) -> None:
    """Work until the input ends; kind `empty` does nothing with jobs."""
    calls: Counter[str] = Counter()

    async def handle(attempt: Attempt) -> Outcome | None:
        if kind == "empty":
            return None
        await attempt.begin("somewhere")
        calls["all"] += 1
        return RETRY if not (calls["all"] % RETRIED or attempt.job.attempts) else None

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    stop = asyncio.Event()
    async with worker_pool(dsn) as pool:
        worker = Measured(pool, name, handle, Settings(concurrency=200))
        working = asyncio.create_task(worker.run(stop))
        while await reader.readline():
            print(json.dumps(worker.figures()), flush=True)
        stop.set()
        await working


if __name__ == "__main__":
    log_plainly(sys.stderr)  # standard output is for answers
    runner("uvloop")(work(*sys.argv[1:]))
