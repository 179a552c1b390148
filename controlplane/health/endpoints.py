"""`/api/v1/health`: whether this process, its database, its queue and its mail can work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text

from controlplane.database import API, Database

router = APIRouter(tags=["health"])
Probe = Callable[[], Awaitable[str]]
"""Returns what was seen; raises when it is not well."""


PATIENCE = 5.0
"""Seconds after which a part that does not answer is not well."""


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
        async with database.begin(API) as connection:
            await connection.execute(text("select 1 from oltp.tenants limit 1"))
        return "answers"

    return look


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
async def health_of(
    part: Literal["db", "queue", "email"], request: Request, response: Response
) -> Health:
    """Look at one part."""
    probe: Probe | None = request.app.state.probes.get(part)
    if probe is None:
        return Health(status="ok", detail="not part of this process")
    seen = await _looked(probe)
    response.status_code = 200 if seen.status == "ok" else 503
    return seen


async def _looked(probe: Probe) -> Health:
    try:
        return Health(status="ok", detail=await asyncio.wait_for(probe(), PATIENCE))
    except Exception as error:  # noqa: BLE001 - whatever fails is what is to be told
        return Health(status="failing", detail=type(error).__name__)
