"""The part `api`: the tenant API, with nothing of reconciler and sender."""

from __future__ import annotations

import asyncio
import socket

from composition.heartbeat import Progress, event_loop_progress
from composition.parts.health import probes
from composition.parts.settings import ApiPart, Part
from composition.phases import ROWS
from composition.process import start
from controlplane.app import create_app
from controlplane.database import Database
from controlplane.service import serve_http


async def work(settings: ApiPart, progress: Progress, stop: asyncio.Event) -> None:
    """Answer requests until `stop` is set, then finish those that run."""
    database = Database.connect(
        settings.dsn, settings.installation, settings.passwords, pool_size=settings.pool_size
    )
    application = create_app(
        database=database,
        platform=settings.platform,
        pepper=settings.pepper.get_secret_value().encode(),
        redis_url=settings.redis_url.get_secret_value(),
        phases=ROWS,
        probes=probes(database, progress),
        images=settings.images,
    )
    listener = socket.socket(fileno=settings.socket)
    host, port, *_ = listener.getsockname()
    url = f"http://{host}:{port}/api/v1"

    def ready() -> None:
        print(f"the API answers at {url} (docs: {url}/docs)", flush=True)

    ticking = asyncio.create_task(event_loop_progress(progress))
    try:
        await serve_http(application, listener, stop, ready)
    finally:
        ticking.cancel()
        await database.close()


def main() -> None:
    """Run the part."""
    start(Part.API, ApiPart, work)
