"""Pins the images of a version: all of them, as the registry names them, or none."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from controlplane.images import repository
from controlplane.images.catalogue import OLDEST, images_of, is_accepted
from controlplane.images.faults import MOVED, TOO_OLD
from controlplane.images.registry import Registries
from controlplane.images.schemas import ImageChange, PinnedImage, PinRequest


async def read(
    registries: Registries, request: PinRequest, *, actor: str, now: datetime
) -> list[PinnedImage]:
    """Return the images of a version as they would be pinned; raises a fault of the registry."""
    if not is_accepted(request.version):
        raise TOO_OLD(version=request.version, oldest=OLDEST)
    images = images_of(request.version)
    digests = await registries.digests(images)
    if request.shown is not None and request.shown != digests:
        raise MOVED(version=request.version)
    return [
        PinnedImage(
            service=service,
            image=image.name,
            tag=image.tag,
            digest=digests[service],
            registry=registries.url_of(image),
            pinned_at=now,
            pinned_by=actor,
        )
        for service, image in images.items()
    ]


async def changes(connection: AsyncConnection, images: list[PinnedImage]) -> list[ImageChange]:
    """Return each image beside the one that is pinned."""
    old = {image.service: image for image in await repository.pinned(connection)}
    return [
        ImageChange(
            service=image.service,
            image=image.image,
            old_tag=old[image.service].tag if image.service in old else None,
            old_digest=old[image.service].digest if image.service in old else None,
            tag=image.tag,
            digest=image.digest,
        )
        for image in images
    ]


def is_changed(change: ImageChange) -> bool:
    """Return whether another image or another name of it would be pinned."""
    return (change.old_tag, change.old_digest) != (change.tag, change.digest)


def in_words(changed: list[ImageChange]) -> str:
    """Return what was pinned for an event: services with their digests before and after."""
    return ", ".join(
        f"{one.service} {_short(one.old_digest)} -> {_short(one.digest)}" for one in changed
    )


def _short(digest: str | None) -> str:
    return digest.removeprefix("sha256:")[:12] if digest else "none"
