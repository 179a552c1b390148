"""Which registry is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from blueprint.fields import Matching
from controlplane.images.catalogue import MAILU, OFFICIAL
from controlplane.images.faults import UNTRUSTED
from kit.faults import first_line


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
    `/etc/docker/certs.d/REGISTRY/ca.crt` for the registries that they pull from, `ghcr.io` and
    `public.ecr.aws`, and trust it for nothing else. None: the public authorities."""

    def authorities(self) -> dict[str, str]:
        """Return the certificate by which hosts trust each registry that they pull from.

        Raises `images.untrusted` where it cannot be read.
        """
        if self.ca_file is None:
            return {}
        try:
            certificate = self.ca_file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = f"{self.ca_file}: {first_line(error)}"
            raise UNTRUSTED(registry=self.registry or f"https://{MAILU}", reason=reason) from None
        return dict.fromkeys((MAILU, OFFICIAL), certificate)
