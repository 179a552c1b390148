"""Starts embedded servers again that have died under a running `penguin serve`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from kit.faults import Fault
from tools.servers import Postgres, Valkey

PAUSE = timedelta(seconds=2)
log = structlog.get_logger()


async def keep(servers: Sequence[Postgres | Valkey], pause: timedelta = PAUSE) -> None:
    """Look after servers until this task is cancelled.

    PostgreSQL ends itself when its disk is full in the middle of a write; it must be there again
    when there is room. Why one cannot be started is logged once, not at every look.
    """
    told: dict[Postgres | Valkey, str | None] = dict.fromkeys(servers)
    while True:
        for server in servers:
            code = await asyncio.to_thread(_revived, server)
            if code != told[server]:
                told[server] = code
                log.warning("server", name=type(server).__name__, trouble=code or "is over")
        await asyncio.sleep(pause.total_seconds())


def _revived(server: Postgres | Valkey) -> str | None:
    """Start a server that does not run; return the code of what keeps it from it."""
    if server.pid() is not None:
        return None
    try:
        server.start()
    except Fault as fault:
        return fault.code.name
    except OSError as error:
        return f"os.{error.errno}"
    return None
