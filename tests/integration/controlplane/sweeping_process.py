"""A process that sweeps an account of one server, which files of a directory describe.

`python -m tests.integration.controlplane.sweeping_process`
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from controlplane.database import Database
from controlplane.reconciler.ports import Listing, Server
from controlplane.reconciler.sweep import Sweep
from tests.support.installation import INSTALLATION, PASSWORDS
from tests.support.waiting import wait_for

DSN, DIRECTORY = "TEST_DATABASE", "TEST_DIRECTORY"
LEASE = timedelta(seconds=3)
"""Long enough for a loaded machine to renew it, short enough to wait for its end."""


class FileServers:
    """Reads the address before it waits, as a listing is older than its answer."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def listed(self) -> Listing | None:
        shown = (self._directory / "address").read_text()
        with (self._directory / "asked").open("a") as asked:
            asked.write(f"{os.getpid()}\n")
        wait_for(lambda: not (self._directory / "held").exists())
        return Listing({1001: shown})

    def spam(self, service_id: int) -> tuple[str, ...] | None:
        return None

    def use(
        self,
        listed: Mapping[int, str] | None,
        spam: Mapping[int, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        shown = "waiting" if listed is None else f"uses {listed[1001]}"
        print(os.getpid(), shown, flush=True)

    def look(
        self, service_ids: Collection[int], last: Mapping[int, str | None]
    ) -> Mapping[int, Server]:
        raise NotImplementedError  # a sweep asks for no single server

    def trouble(self, service_id: int) -> str | None:
        raise NotImplementedError  # nor does it here: only passes do

    def forget(self, service_id: int) -> None:
        raise NotImplementedError  # a sweep closes no purchase


async def main() -> None:
    """Sweep until the process is killed."""
    database = Database.connect(os.environ[DSN], INSTALLATION, PASSWORDS, pool_size=2)
    servers = FileServers(Path(os.environ[DIRECTORY]))
    sweep = Sweep(database, servers, lambda: datetime.now(UTC), lease=LEASE)
    await sweep.watch(asyncio.Event(), poll=0.1)


if __name__ == "__main__":
    asyncio.run(main())
