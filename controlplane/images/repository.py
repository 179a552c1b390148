"""Rows of pinned images."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.database import fetch
from controlplane.images.schemas import PinnedImage
from kit.database import AdvisoryLock
from kit.queries import Queries
from kit.readings import Reading

SQL = Queries(__file__, text)


async def pinned(connection: AsyncConnection) -> list[PinnedImage]:
    """Return what is pinned, by service."""
    return await fetch(connection, reading())


def reading() -> Reading[TextClause, list[PinnedImage]]:
    """Read what is pinned, by service."""
    return Reading(SQL.pinned, {}, lambda rows: [PinnedImage(**row) for row in rows])


async def pinned_services(connection: AsyncConnection) -> set[str]:
    """Return the services that an image is pinned for; a tenant's key may ask."""
    return set((await connection.execute(SQL.pinned_services)).scalars())


async def lock(connection: AsyncConnection) -> None:
    """Wait for other transactions that pin."""
    await connection.execute(SQL.lock, {"lock": AdvisoryLock.IMAGES})


async def pin(connection: AsyncConnection, images: Sequence[PinnedImage]) -> None:
    """Store images in place of those of their services."""
    rows = [
        image.model_dump(exclude={"pinned_at", "pinned_by"})
        | {"at": image.pinned_at, "by": image.pinned_by}
        for image in images
    ]
    await connection.execute(SQL.pin, rows)
