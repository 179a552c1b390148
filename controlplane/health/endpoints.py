"""`/api/v1/health`: whether database, queue and all parts can work; answers within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from controlplane.database import Database

router = APIRouter(tags=["health"])
log = structlog.get_logger()
Name = Literal["db", "queue", "email", "api", "public", "reconciler", "sender"]
Probe = Callable[[], Awaitable[str]]
"""Returns what was seen; raises when it is not well."""


PATIENCE = 0.8
"""Seconds after which a part that does not answer is not well: whoever asks waits for no more."""
FRESH = 0.5
"""Seconds that an answer may be shared by several probes and requests."""
T = TypeVar("T")


class Unwell(Exception):
    """A probe says in words what is not well."""


def shared(look: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    """Let one look at a time be under way, and all who ask meanwhile get its answer.

    A look at a server that hangs can neither be cancelled within a second nor be repeated by each
    request; whoever has no patience leaves it to itself.
    """
    running: asyncio.Task[T] | None = None
    began = 0.0

    async def joined() -> T:
        nonlocal running, began
        now = asyncio.get_running_loop().time()
        if running is None or (running.done() and now - began > FRESH):
            running, began = asyncio.ensure_future(look()), now
            running.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(running)

    return joined


class Health(BaseModel):
    """What was seen."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "ok", "detail": "answers"}]}
    )

    status: Literal["ok", "failing"]
    detail: str


class Overall(BaseModel):
    """All that was looked at."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"status": "ok", "parts": {"db": {"status": "ok", "detail": "answers"}}}]
        }
    )

    status: Literal["ok", "failing"]
    parts: dict[str, Health]


def database_probe(database: Database) -> Probe:
    """Return the probe of the database: it answers, and its schema is there."""

    async def look() -> str:
        await database.check()
        return "answers"

    return shared(look)


@router.get("/health", responses={503: {"model": Overall, "description": "Something is not well"}})
async def health(request: Request, response: Response) -> Overall:
    """Look at everything; 503 when something is not well. Needs no key."""
    probes: dict[str, Probe] = request.app.state.probes
    seen = await asyncio.gather(*(_looked(probe) for probe in probes.values()))
    parts = dict(zip(probes, seen, strict=True))
    well = all(part.status == "ok" for part in parts.values())
    response.status_code = 200 if well else 503
    return Overall(status="ok" if well else "failing", parts=parts)


@router.get("/health/{part}", responses={503: {"model": Health, "description": "It is not well"}})
async def health_of(part: Name, request: Request, response: Response) -> Health:
    """Look at one part; `email` is the sender."""
    probe: Probe | None = request.app.state.probes.get("sender" if part == "email" else part)
    if probe is None:
        return Health(status="ok", detail="not part of this process")
    seen = await _looked(probe)
    response.status_code = 200 if seen.status == "ok" else 503
    return seen


async def _looked(probe: Probe) -> Health:
    try:
        return Health(status="ok", detail=await asyncio.wait_for(probe(), PATIENCE))
    except Unwell as error:
        return Health(status="failing", detail=str(error))
    except TimeoutError:
        return Health(status="failing", detail=f"no answer within {PATIENCE} s")
    except Exception as error:  # noqa: BLE001 - whatever fails is what is to be said
        log.warning("probe failed", error=str(error))
        return Health(status="failing", detail="the check failed: see the log")
