"""Makes the checks that are due, and wakes the tenants of which something has changed.

Whether a tenant is Ready, stalled or paused makes no difference. A verdict is that of a pass, which
counts what is wrong before it takes it for wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from controlplane.checker.metrics import Metrics, Result
from controlplane.checks import repository as rows
from controlplane.checks.kinds import CheckKind, Intervals
from controlplane.checks.repository import Due
from controlplane.database import CONTROLLER, Database, fetch
from controlplane.database_faults import log_failure
from controlplane.reconciler.checks import Given, Outside, are_right, stored
from controlplane.reconciler.ports import Finding
from controlplane.reconciler.purposes import SSH
from controlplane.reconciler.secrets import SecretStore
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority
from kit.pausing import pause
from vault import Vault

log = structlog.get_logger()
BATCH = 4
"""Checks that a worker claims at once, and whose results it writes together."""
IDLE_SECONDS = 2.0
"""How often an idle worker looks whether a check is due."""
ERROR_SECONDS = 5.0
"""How long a worker waits after an error."""
AGAIN = timedelta(minutes=1)
"""After which a check is repeated that was not answered."""
DEADLINE_SECONDS = 300.0
"""For one check: its own connections and commands have shorter ones."""
Tick = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """What a check has shown."""

    due: Due
    findings: Sequence[Finding]

    @property
    def is_right(self) -> bool:
        """Whether all was answered, and nothing is wrong."""
        return are_right(self.findings)

    @property
    def result(self) -> Result:
        """How the check ended. A question without an answer is no verdict."""
        if self.is_right:
            return Result.RIGHT
        is_wrong = any(one.ok is False or one.outdated for one in self.findings)
        return Result.WRONG if is_wrong else Result.UNANSWERED


class Checker:
    """Checks what passes have left to be checked again, until it is stopped."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        outside: Outside,
        *,
        intervals: Intervals,
        at_once: int,
        clock: Callable[[], datetime],
        metrics: Metrics | None = None,
    ) -> None:
        """`intervals` are between two checks of a kind; `at_once` are made at the same time."""
        self._database = database
        self._vault = vault
        self._outside = outside
        self._intervals = intervals
        self._workers = max(1, at_once // BATCH)
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._looking = asyncio.Lock()
        self._idle: set[str] = set()
        """Workers that look for checks, or wait until another one has found some."""

    async def run(self, stop: asyncio.Event, tick: Tick = lambda _: None) -> None:
        """Check until `stop` is set; checks that run are ended."""
        names = [f"worker {number}" for number in range(self._workers)]
        working = [asyncio.create_task(self._work(stop, tick, name)) for name in names]
        await stop.wait()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    async def _work(self, stop: asyncio.Event, tick: Tick, name: str) -> None:
        while not stop.is_set():
            self._idle.add(name)
            async with self._looking:
                due = await self._await_due(stop, tick)
            self._idle.remove(name)
            try:
                await self._make(due)
            except Exception as error:  # noqa: BLE001 - the worker goes on
                log_failure(error, "worker failed")
                await pause(stop, ERROR_SECONDS)

    async def _await_due(self, stop: asyncio.Event, tick: Tick) -> Sequence[Due]:
        """Return checks that are due as soon as there are any: one worker looks for all."""
        while not stop.is_set():
            for name in self._idle:
                tick(name)
            seconds = IDLE_SECONDS
            try:
                if due := await self._claim():
                    return due
            except Exception as error:  # noqa: BLE001 - the worker goes on
                log_failure(error, "worker failed")
                seconds = ERROR_SECONDS
            await pause(stop, seconds)
        return ()

    async def step(self) -> int:
        """Make checks that are due; return how many."""
        due = await self._claim()
        await self._make(due)
        return len(due)

    async def _claim(self) -> Sequence[Due]:
        async with self._database.begin(CONTROLLER) as connection:
            due = await rows.claim(connection, count=BATCH, intervals=self._intervals)
            self._metrics.overdue = await rows.overdue(connection) if due else 0.0
        return due

    async def _make(self, due: Sequence[Due]) -> None:
        made = await asyncio.gather(*(self._check(one) for one in due))
        await self._keep([found for found in made if found is not None])

    async def _check(self, due: Due) -> Found | None:
        """Check; None where that was not possible: the tenant's pass checks by itself."""
        try:
            given = Given.model_validate_json(due.input)
            key = await self._key(due) if due.kind is CheckKind.HOSTS else None
            async with asyncio.timeout(DEADLINE_SECONDS):
                findings = await self._outside.check(
                    due.kind, given, lambda: key or "", now=self._clock()
                )
        except ValidationError:
            log.warning("check of another version", tenant_id=str(due.tenant_id), kind=due.kind)
            self._metrics.ended(due.kind, Result.FAILED)
            return None
        except SQLAlchemyError:
            raise
        except Exception:
            log.exception("check failed", tenant_id=str(due.tenant_id), kind=due.kind)
            self._metrics.ended(due.kind, Result.FAILED)
            return None
        found = Found(due, findings)
        self._metrics.ended(due.kind, found.result)
        return found

    async def _key(self, due: Due) -> str | None:
        async with self._database.begin(CONTROLLER) as connection:
            return await fetch(connection, SecretStore.one(self._vault, due.tenant_id, SSH))

    async def _keep(self, made: Sequence[Found]) -> None:
        """Write results; request a pass of each tenant of which something else was right before."""
        if not made:
            return
        async with self._database.begin(CONTROLLER) as connection:
            for found in sorted(made, key=lambda one: (one.due.tenant_id, one.due.kind)):
                due = found.due
                if found.result is Result.UNANSWERED:
                    await rows.postpone(connection, due, pause=AGAIN)
                    continue
                is_kept = await rows.confirm(
                    connection,
                    due,
                    findings=stored(found.findings),
                    is_right=found.is_right,
                    interval=self._intervals[due.kind],
                )
                if is_kept and found.is_right is not due.is_right:
                    now = self._clock()
                    await request_pass(connection, due.tenant_id, Priority.WAKE, now=now)
