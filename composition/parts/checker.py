"""The part `checker`: checks from outside, which passes rely on."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from composition.heartbeat import Progress
from composition.metrics import served
from composition.outside import outside
from composition.parts.settings import CheckerPart, Part
from composition.process import start
from controlplane.checker.loop import Checker
from controlplane.checker.metrics import Metrics
from controlplane.database import Database
from vault import KeyRing, Vault


async def work(settings: CheckerPart, progress: Progress, stop: asyncio.Event) -> None:
    """Check until `stop` is set."""
    database = Database.connect(
        settings.dsn, settings.installation, settings.passwords, pool_size=settings.pool_size
    )
    metrics = Metrics()
    checker = Checker(
        database,
        Vault(KeyRing.load(settings.key_file)),
        outside(settings.verification, settings.roots),
        intervals=settings.verification.intervals,
        at_once=settings.verification.at_once,
        clock=database.keep_time(),
        metrics=metrics,
    )
    # A check of a host holds a thread while it logs in there.
    threads = ThreadPoolExecutor(settings.verification.at_once)
    asyncio.get_running_loop().set_default_executor(threads)
    try:
        async with served(settings.socket, metrics.text):
            await checker.run(stop, progress.tick)
    finally:
        await database.close()


def main() -> None:
    """Run the part."""
    start(Part.CHECKER, CheckerPart, work)
