"""Which registry is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from blueprint.fields import Matching


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


class ImageSettings(BaseModel):
    """Container images of hosts."""

    registry: Annotated[
        Annotated[str, Matching(r"^https://[^/\s]+$", "write a URL such as https://ghcr.io")]
        | None,
        BeforeValidator(_empty_is_none),
    ] = None
    """Registry that is asked for all images, such as a mirror. None: the images' own,
    `https://ghcr.io` and, for Redis, `https://public.ecr.aws`."""
    ca_file: Annotated[Path | None, BeforeValidator(_empty_is_none)] = None
    """Certificate (PEM) of the authority of that registry; hosts get it as
    `/etc/docker/certs.d/REGISTRY/ca.crt`, for this registry alone. None: the public authorities."""
