"""Drops operations, their lines and events when they are old: nothing else removes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from controlplane.database import CONTROLLER, Database
from controlplane.database_faults import shown
from controlplane.settings import ReconcilerSettings
from kit.pausing import pause
from kit.queries import Queries

SQL = Queries(__file__, text)
PAUSE_SECONDS = 6 * 3600.0
PAGE = 1000
"""Rows of one transaction."""
log = structlog.get_logger()


async def watch(
    database: Database,
    clock: Callable[[], datetime],
    settings: ReconcilerSettings,
    stop: asyncio.Event,
) -> None:
    """Drop what is old, four times a day, until `stop` is set."""
    while not stop.is_set():
        try:
            await drop(database, settings, now=clock())
        except (SQLAlchemyError, OSError) as error:
            log.warning("history not dropped", error=shown(error))
        await pause(stop, PAUSE_SECONDS)


async def drop(
    database: Database, settings: ReconcilerSettings, *, now: datetime, page: int = PAGE
) -> None:
    """Drop what is old. The last operation of each phase of a tenant is kept."""
    before, audit = now - settings.history, now - settings.audit
    values = {"before": before, "limit": page}
    await _page_by_page(database, SQL.drop_operations, UUID(int=0), values)
    await _page_by_page(database, SQL.drop_events, 0, {**values, "audit": audit})


async def _page_by_page(
    database: Database, query: TextClause, cursor: UUID | int | None, values: Mapping[str, object]
) -> None:
    """Run a query that returns the last id of a page, None after the last page of old rows."""
    while cursor is not None:
        async with database.begin(CONTROLLER) as connection:
            last = await connection.execute(query, {**values, "cursor": cursor})
            cursor = last.scalar_one_or_none()
