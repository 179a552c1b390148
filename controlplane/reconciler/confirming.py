"""Tenants at rest: many are compared together, without a lease, since nothing is done for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import CONTROLLER, Database, fetch_digests
from controlplane.database_faults import log_failure
from controlplane.reconciler.metrics import Metrics
from controlplane.reconciler.outcome import Outcome
from controlplane.reconciler.rest import Rest, Rests
from controlplane.reconciler.session import AnyReading
from controlplane.schedule.repository import DueTenant, list_due, postpone
from controlplane.schedule.schemas import Priority
from controlplane.settings import ReconcilerSettings
from kit.pausing import pause

BATCH = 64
"""Tenants that are compared together."""
EARLY = 1 / 100
"""Of the interval, so that workers find only those due that need a whole pass."""
ERROR_SECONDS = 5.0
"""How long no tenant is compared after an error: workers make whole passes meanwhile."""


class Confirmation:
    """Postpones the next pass over tenants of which all is as their last one found it."""

    def __init__(
        self,
        database: Database,
        rests: Rests,
        readings: Callable[[UUID], Sequence[AnyReading]],
        *,
        settings: ReconcilerSettings,
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        """`readings` returns what a pass over a tenant begins with."""
        self._database = database
        self._rests = rests
        self._readings = readings
        self._resync = settings.resync
        self._early = settings.resync * EARLY
        self._pause = max(settings.poll, self._early / 2).total_seconds()
        self._clock = clock
        self._metrics = metrics

    async def run(self, stop: asyncio.Event, progressed: Callable[[], None]) -> None:
        """Compare until `stop` is set."""
        while not stop.is_set():
            progressed()
            wait = self._pause
            try:
                await self.confirm()
            except Exception as error:  # noqa: BLE001 - it goes on when the database is back
                log_failure(error, "tenants at rest were not compared")
                wait = ERROR_SECONDS
            await pause(stop, wait)

    async def confirm(self) -> int:
        """Compare the tenants at rest that are about to be due; return how many are as they were.

        The others stay due, and are at rest no more: their next pass is a whole one.
        """
        until, confirmed, last = self._clock() + self._early, 0, None
        while True:
            page, same = await self._compare(until, last)
            confirmed += await self._postpone(same)
            if len(page) < BATCH:
                return confirmed
            last = page[-1]

    async def _compare(
        self, until: datetime, last: DueTenant | None
    ) -> tuple[list[DueTenant], list[DueTenant]]:
        """Return the next tenants that are due, and those among them of which all is the same."""
        async with self._database.begin(CONTROLLER) as connection:
            page = await list_due(connection, Priority.RESYNC, until=until, after=last, count=BATCH)
            now = self._clock()
            # What time changes until a tenant is due is seen by the pass that begins then.
            found = {one: self._rests.find(one.tenant_id, now=max(now, one.due_at)) for one in page}
            resting = {one: rest for one, rest in found.items() if rest is not None}
            digests = await self._digests(connection, [one.tenant_id for one in resting])
        same_rows = [one for one, rest in resting.items() if digests[one.tenant_id] == rest.rows]
        answers = await asyncio.to_thread(_confirm, [resting[one] for one in same_rows])
        same = [one for one, is_same in zip(same_rows, answers, strict=True) if is_same]
        for other in resting.keys() - set(same):
            self._rests.forget(other.tenant_id)
        return page, same

    async def _digests(
        self, connection: AsyncConnection, ids: Sequence[UUID]
    ) -> Mapping[UUID, bytes | None]:
        if not ids:
            return {}
        digests = await fetch_digests(connection, self._readings(ids[0]), ids[0], ids)
        return dict(zip(ids, digests, strict=True))

    async def _postpone(self, tenants: Sequence[DueTenant]) -> int:
        if not tenants:
            return 0
        async with self._database.begin(CONTROLLER) as connection:
            count = await postpone(connection, tenants, due_at=self._clock() + self._resync)
        self._metrics.passes_ended(Outcome.AT_REST, count)
        return count


def _confirm(rests: Sequence[Rest]) -> list[bool]:
    return [rest.is_confirmed() for rest in rests]
