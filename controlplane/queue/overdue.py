"""Reports mail of unknown outcome as an event, once it has been so for an hour."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from controlplane.conditions.model import TENANT
from controlplane.database import CONTROLLER, Database, driver_of
from controlplane.database_faults import shown
from controlplane.events.repository import emit
from controlplane.tenants import repository as tenant_rows
from kit.pausing import pause
from sender.queue import operations

LOOK = 60.0
"""Seconds between two looks."""
NAMED = 5
"""Ids of one event."""
log = structlog.get_logger()


async def watch(database: Database, clock: Callable[[], datetime], stop: asyncio.Event) -> None:
    """Report what becomes overdue until `stop` is set."""
    while not stop.is_set():
        try:
            await report(database, now=clock())
        except (SQLAlchemyError, OSError) as error:
            log.warning("unknown outcomes not reported", error=shown(error))
        await pause(stop, LOOK)


async def report(database: Database, *, now: datetime) -> None:
    """Write an event for each tenant with mail that has not been reported yet."""
    async with database.begin(CONTROLLER) as connection:
        found = await operations.report_unknown(await driver_of(connection))
        ids: dict[UUID, list[UUID]] = defaultdict(list)
        for job in found:
            ids[job.tenant_id].append(job.id)
        names = await tenant_rows.names(connection, ids)
        for tenant_id, of_tenant in sorted(ids.items()):
            name = names.get(tenant_id)
            shown = ", ".join(map(str, sorted(of_tenant)[:NAMED]))
            more = " …" if len(of_tenant) > NAMED else ""
            await emit(
                connection,
                tenant_id=tenant_id if name else None,
                tenant=name,
                at=now,
                subject=TENANT if name else "platform",
                kind="mail",
                reason="OutcomeUnknown",
                message=f"{len(of_tenant)} mails have been of unknown outcome for an hour: "
                f"{shown}{more}; resolve them with `penguin mailq resolve`",
            )
