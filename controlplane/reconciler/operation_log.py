"""The log of one operation: lines from any thread, written in batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from controlplane.database_faults import log_failure
from controlplane.reconciler.ports import Progress

LINE_LENGTH = 2000


@asynccontextmanager
async def operation_log(
    write: Callable[[list[tuple[datetime, str]]], Awaitable[None]], clock: Callable[[], datetime]
) -> AsyncIterator[Progress]:
    """Collect lines from any thread and write them in batches, in order."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[datetime, str] | None] = asyncio.Queue()

    def progress(line: str) -> None:
        # The loop is closed only when the process ends.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(queue.put_nowait, (clock(), line[:LINE_LENGTH]))

    async def drain() -> None:
        ended = False
        while not ended:
            batch = [await queue.get()]
            while not queue.empty():
                batch.append(queue.get_nowait())
            ended = None in batch
            try:
                await write([line for line in batch if line is not None])
            except Exception as error:  # noqa: BLE001 - the operation goes on without these lines
                log_failure(error, "lines of an operation not written", lines=len(batch))

    writer = asyncio.create_task(drain())
    try:
        yield progress
    finally:
        # After the lines that threads have already submitted.
        loop.call_soon(queue.put_nowait, None)
        await writer
