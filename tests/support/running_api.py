"""The API on a port of this machine, as `penguin serve api` runs it, in a thread of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from composition.event_log import log_to
from composition.listening import listen
from composition.phases import ROWS
from controlplane.app import create_app
from controlplane.database import OPERATOR, Database
from controlplane.identity.keys import Scope, create_key
from controlplane.identity.repository import add_key
from controlplane.images.settings import ImageSettings
from controlplane.service import serve_http
from tests.support.installation import INSTALLATION, NO_REGISTRY, PASSWORDS, PLATFORM
from tests.support.plain_log import log_plainly
from tests.support.waiting import SECONDS

PEPPER = b"pepper"


@contextmanager
def running_api(
    dsn: str, logs: Path, images: ImageSettings = NO_REGISTRY
) -> Iterator[tuple[str, str]]:
    """Serve the API on an upgraded database; yield its URL and the key of an operator."""
    key = create_key(PEPPER)
    listener = listen("127.0.0.1", 0)
    ready = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        pools = Database.connect(dsn, INSTALLATION, PASSWORDS, pool_size=2)
        async with pools.begin(OPERATOR) as connection:
            await add_key(
                connection, key, tenant_id=None, scopes=tuple(Scope), now=datetime.now(UTC)
            )
        stop = asyncio.Event()
        running.append((asyncio.get_running_loop(), stop))
        app = create_app(
            database=pools, platform=PLATFORM, pepper=PEPPER, phases=ROWS, images=images
        )
        await serve_http(app, listener, stop, ready.set)
        await pools.close()

    log_to(logs / "control-plane.jsonl")  # not to the output of commands
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(SECONDS)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", key.secret
    finally:
        loop, stop = running[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(SECONDS)
        log_plainly()
