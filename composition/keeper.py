"""Restarts embedded servers that died while `penguin serve` runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog

from kit.faults import Fault
from tools.servers import Postgres, Valkey

INTERVAL = timedelta(seconds=2)
log = structlog.get_logger()


async def keep_running(
    servers: Sequence[Postgres | Valkey], interval: timedelta = INTERVAL
) -> None:
    """Restart servers that have died, until this task is cancelled.

    PostgreSQL ends itself when its disk is full in the middle of a write; it must run again as
    soon as there is room. The reason why one cannot be started is logged once, not at every check.
    """
    logged: dict[Postgres | Valkey, str | None] = dict.fromkeys(servers)
    while True:
        for server in servers:
            code = await asyncio.to_thread(_restart_if_dead, server)
            if code != logged[server]:
                logged[server] = code
                log.warning("server", name=server.title, trouble=code or "ended")
        await asyncio.sleep(interval.total_seconds())


def _restart_if_dead(server: Postgres | Valkey) -> str | None:
    """Start a server that does not run; return the code of the failure."""
    if server.pid() is not None:
        return None
    try:
        server.start()
    except Fault as fault:
        return fault.code.name
    except OSError as error:
        return f"os.{error.errno}"
    return None
