"""Lets a tenant be reconciled now, for commands that change what its next pass finds."""

from __future__ import annotations

import asyncio
import sys

from sqlalchemy.exc import SQLAlchemyError

from blueprint.naming import tenant_of
from cli.settings import SETTINGS_FILE
from composition import dsn
from composition.settings import Settings
from controlplane.database import CONTROLLER, Database, time_of
from controlplane.schedule.repository import request_pass
from controlplane.schedule.schemas import Priority
from controlplane.tenants.repository import find
from kit.paths import state_dir


def wake_tenant_of(purchase: str) -> None:
    """Request a pass for the tenant of a purchase, if this machine has the settings.

    Elsewhere the pass comes by itself: after a failed one within minutes.
    """
    if not (state_dir() / SETTINGS_FILE).exists():
        return
    settings = Settings.read(state_dir())
    labels = (tenant_of(part, settings.platform.installation) for part in purchase.split("/"))
    tenant = next(filter(None, labels), None)
    if tenant is None:
        return
    try:
        asyncio.run(_request_pass(settings, tenant))
    except (OSError, SQLAlchemyError):
        warning = f"warning: the database does not answer; {tenant} is tried again within minutes"
        print(warning, file=sys.stderr)


async def _request_pass(settings: Settings, tenant: str) -> None:
    passwords = {CONTROLLER: settings.database.controller_password}
    database = Database.connect(
        dsn.configured(settings), settings.platform.installation, passwords, pool_size=1
    )
    try:
        async with database.begin(CONTROLLER) as connection:
            if (row := await find(connection, tenant)) is not None:
                now = await time_of(connection)
                await request_pass(connection, row.id, Priority.USER, now=now)
    finally:
        await database.close()
