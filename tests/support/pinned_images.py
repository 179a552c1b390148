"""Images of Mailu that are pinned in a database, as if an operator had read them of a registry."""

from __future__ import annotations

import hashlib

from controlplane.clock import now
from controlplane.database import OPERATOR, Database
from controlplane.images import repository
from controlplane.images.catalogue import images_of
from controlplane.images.schemas import PinnedImage

VERSION = "2024.06.57"


async def pin_images(database: Database, version: str = VERSION) -> dict[str, str]:
    """Pin the images of a version; return the names by which hosts pull them, by service."""
    images = [
        PinnedImage(
            service=service,
            image=image.name,
            tag=image.tag,
            digest=f"sha256:{hashlib.sha256(f'{service} {version}'.encode()).hexdigest()}",
            registry="https://ghcr.io",
            pinned_at=now(),
            pinned_by="pm_live_test",
        )
        for service, image in images_of(version).items()
    ]
    async with database.begin(OPERATOR) as connection:
        await repository.pin(connection, images)
    return {image.service: image.name for image in images}
