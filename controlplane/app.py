"""The control plane's HTTP interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from fastapi import APIRouter, FastAPI

from blueprint.platform import Platform
from controlplane import openapi, problems
from controlplane.database import Database
from controlplane.events.endpoints import router as events
from controlplane.freezes.endpoints import router as freezes
from controlplane.health.endpoints import Probe, database_probe
from controlplane.health.endpoints import router as health
from controlplane.holds.endpoints import router as holds
from controlplane.images.endpoints import router as images_router
from controlplane.images.registry import Registries
from controlplane.images.settings import ImageSettings
from controlplane.inventory.endpoints import router as inventory
from controlplane.keys.endpoints import router as keys
from controlplane.limits.endpoints import router as limits
from controlplane.mailboxes.endpoints import router as mailboxes
from controlplane.messages.endpoints import router as messages
from controlplane.messages.erasure import router as erasure
from controlplane.operations.endpoints import router as operations
from controlplane.queue.endpoints import router as queue
from controlplane.queue.mailq import router as mailq
from controlplane.queue.measuring import Measuring
from controlplane.reconciler.endpoints import router as phases_router
from controlplane.reconciler.table import Row
from controlplane.requests import Limits
from controlplane.stops.endpoints import router as stops
from controlplane.suppressions.endpoints import router as suppressions
from controlplane.tenants.endpoints import router as tenants
from controlplane.tenants.forgetting import router as forgetting
from controlplane.tenants.looking import router as looking
from controlplane.tenants.pause import router as pause
from controlplane.tenants.refreshing import router as refreshing
from controlplane.tenants.releasing import router as releasing
from controlplane.todo.endpoints import router as todo
from controlplane.warmup.endpoints import router as warmup

PREFIX = "/api/v1"
ENDPOINTS = APIRouter(prefix=PREFIX)
"""Of all applications of this process: the framework resolves routes when the first request comes,
which takes a tenth of a second."""
for _router in (
    tenants,
    pause,
    forgetting,
    releasing,
    refreshing,
    looking,
    stops,
    warmup,
    holds,
    keys,
    inventory,
    mailboxes,
    operations,
    events,
    messages,
    erasure,
    queue,
    mailq,
    suppressions,
    images_router,
    freezes,
    limits,
    phases_router,
    todo,
    health,
):
    ENDPOINTS.include_router(_router)


def create_app(
    *,
    database: Database,
    platform: Platform,
    pepper: bytes,
    redis_url: str | None = None,
    clock: Callable[[], datetime] | None = None,
    phases: Sequence[Row] = (),
    probes: Mapping[str, Probe] | None = None,
    images: ImageSettings | None = None,
) -> FastAPI:
    """Build the application; `phases` are the reconciler's table.

    Time is the database's, unless a `clock` is given. Without `redis_url` it does not show what
    senders know only in memory.
    """
    app = FastAPI(
        routes=ENDPOINTS.routes,
        title="PenguinMails",
        version="1",
        description="Provisions, verifies and runs a mail platform from one document per tenant.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=f"{PREFIX}/docs",
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.database = database
    app.state.platform = platform
    app.state.pepper = pepper
    app.state.clock = clock or database.keep_time()
    app.state.phases = phases
    app.state.probes = {"db": database_probe(database), **(probes or {})}
    app.state.registries = Registries(images or ImageSettings())
    app.state.measuring = Measuring(database, redis_url)
    problems.install(app)
    openapi.install(app, prefix=PREFIX, platform=platform)
    app.add_middleware(Limits)
    return app
