"""API schemas of pinned images."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from blueprint.fields import Matching
from controlplane.images.catalogue import VERSION

NEW, OLD = f"sha256:{'5f' * 32}", f"sha256:{'a0' * 32}"
EXAMPLE: dict[str, Any] = {"version": "2024.06.57"}
EXAMPLE_PIN: dict[str, Any] = {
    "service": "front",
    "image": "ghcr.io/mailu/nginx",
    "tag": "2024.06.57",
    "digest": NEW,
    "registry": "https://ghcr.io",
    "pinned_at": "2026-11-24T12:10:00Z",
    "pinned_by": "pm_live_3fK9aQ2z",
}
EXAMPLE_CHANGE: dict[str, Any] = {
    "service": "front",
    "image": "ghcr.io/mailu/nginx",
    "old_tag": "2024.06.56",
    "old_digest": OLD,
    "tag": "2024.06.57",
    "digest": NEW,
}

Version = Annotated[
    str, Matching(VERSION, "write a released version of Mailu in full, such as 2024.06.57")
]
Digest = Annotated[
    str, Matching(r"^sha256:[0-9a-f]{64}$", "give a digest as an earlier answer has it")
]


class PinnedImage(BaseModel):
    """The image that hosts run for a service."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE_PIN]}, use_attribute_docstrings=True
    )

    service: str
    image: str
    """Name by which hosts pull it."""
    tag: str
    """Whose digest it was when it was pinned."""
    digest: str
    registry: str
    """Registry that the digest was read from."""
    pinned_at: datetime
    pinned_by: str
    """Prefix of the API key of the request."""

    @property
    def name(self) -> str:
        """The name by which hosts pull exactly this image."""
        return f"{self.image}@{self.digest}"


class PinnedImages(BaseModel):
    """All pinned images, by service; empty: hosts cannot get mailboxes yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE_PIN]}]})

    items: list[PinnedImage]


class PinRequest(BaseModel):
    """A version of Mailu whose images are to be pinned."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [EXAMPLE]}, use_attribute_docstrings=True
    )

    version: Version
    dry_run: bool = Field(default=False, strict=True)
    """Only read what would be pinned."""
    shown: dict[str, Digest] | None = None
    """Digests that a dry run has shown, by service: others are refused. Null: any are taken."""


class Outcome(StrEnum):
    """What a request has done."""

    PINNED = "pinned"
    UNCHANGED = "unchanged"
    """They are pinned already."""
    DRY_RUN = "dry_run"


class ImageChange(BaseModel):
    """The image of one service before and after."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE_CHANGE]}, use_attribute_docstrings=True
    )

    service: str
    image: str
    old_tag: str | None
    """Null: none was pinned."""
    old_digest: str | None
    tag: str
    digest: str


class PinResult(BaseModel):
    """What was pinned, or would be."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [EXAMPLE | {"outcome": "pinned", "images": [EXAMPLE_CHANGE]}]
        }
    )

    version: str
    outcome: Outcome
    images: list[ImageChange]
