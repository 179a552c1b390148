"""`/api/v1/health`: whether database, queue and all parts work; responds within a second."""

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
Name = Literal["db", "queue", "email", "api", "public", "reconciler", "sender", "checker"]
Probe = Callable[[], Awaitable[str]]
"""Returns a detail; raises when the part fails."""

DEADLINE = 0.8
"""Seconds after which a part without a response is failing."""
FRESH = 0.5
"""Seconds for which requests may share one result of a probe."""
T = TypeVar("T")


class ProbeFailed(Exception):
    """A part fails; the message says how."""


def shared(probe: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    """Run one probe at a time, and share its result among concurrent requests.

    A probe of a hung server cannot be cancelled within a second, and must not be started again by
    each request; a request that reaches its deadline leaves it running.
    """
    running: asyncio.Task[T] | None = None
    began = 0.0

    async def probe_once() -> T:
        nonlocal running, began
        now = asyncio.get_running_loop().time()
        if running is None or (running.done() and now - began > FRESH):
            running, began = asyncio.ensure_future(probe()), now
            running.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(running)

    return probe_once


class Health(BaseModel):
    """The state of one part."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "ok", "detail": "answers"}]}
    )

    status: Literal["ok", "failing"]
    detail: str


class Overall(BaseModel):
    """The state of all parts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"status": "ok", "parts": {"db": {"status": "ok", "detail": "answers"}}}]
        }
    )

    status: Literal["ok", "failing"]
    parts: dict[str, Health]


def database_probe(database: Database) -> Probe:
    """Return the probe of the database: it answers, and its schema exists."""

    async def probe() -> str:
        await database.check()
        return "answers"

    return shared(probe)


@router.get("/health", responses={503: {"model": Overall, "description": "A part fails"}})
async def health(request: Request, response: Response) -> Overall:
    """Check every part; 503 when one fails. Needs no key."""
    probes: dict[str, Probe] = request.app.state.probes
    checked = await asyncio.gather(*(_checked(probe) for probe in probes.values()))
    parts = dict(zip(probes, checked, strict=True))
    is_healthy = all(part.status == "ok" for part in parts.values())
    response.status_code = 200 if is_healthy else 503
    return Overall(status="ok" if is_healthy else "failing", parts=parts)


@router.get("/health/{part}", responses={503: {"model": Health, "description": "The part fails"}})
async def health_of(part: Name, request: Request, response: Response) -> Health:
    """Check one part; `email` is the sender."""
    probe: Probe | None = request.app.state.probes.get("sender" if part == "email" else part)
    if probe is None:
        return Health(status="ok", detail="not part of this process")
    checked = await _checked(probe)
    response.status_code = 200 if checked.status == "ok" else 503
    return checked


async def _checked(probe: Probe) -> Health:
    try:
        return Health(status="ok", detail=await asyncio.wait_for(probe(), DEADLINE))
    except ProbeFailed as error:
        return Health(status="failing", detail=str(error))
    except TimeoutError:
        return Health(status="failing", detail=f"no answer within {DEADLINE} s")
    except Exception as error:  # noqa: BLE001 - any failure is the result
        log.warning("probe failed", error=str(error))
        return Health(status="failing", detail="the check failed: see the log")
