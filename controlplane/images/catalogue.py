"""The images of a host with mailboxes, and the versions of Mailu that are accepted."""

from __future__ import annotations

from dataclasses import dataclass

MAILU = "ghcr.io"
OFFICIAL = "public.ecr.aws"
"""The official images of Docker's hub, for everyone and without the hub's limit of pulls."""
VERSION = r"^[0-9]{4}\.(0[1-9]|1[0-2])\.[0-9]{1,4}$"
OLDEST = "2024.06.52"
"""Before it, API tokens of Mailu can be changed without a right to (CVE-2026-49217)."""


@dataclass(frozen=True)
class Image:
    """Where the image of a service is."""

    registry: str
    repository: str
    tag: str

    @property
    def name(self) -> str:
        """Return the name by which hosts pull it."""
        return f"{self.registry}/{self.repository}"


SERVICES = {
    "front": "nginx",
    "admin": "admin",
    "imap": "dovecot",
    "smtp": "postfix",
    "antispam": "rspamd",
    "resolver": "unbound",
    "webmail": "webmail",
}
"""Mailu's images of its services."""


ALL = frozenset((*SERVICES, "redis"))
"""The services of which a host with Mailu needs an image."""


def images_of(version: str) -> dict[str, Image]:
    """Return the image of each service for a version of Mailu."""
    mailu = {
        service: Image(MAILU, f"mailu/{repository}", version)
        for service, repository in SERVICES.items()
    }
    # As Mailu's own compose file has it: it follows no version.
    return mailu | {"redis": Image(OFFICIAL, "docker/library/redis", "alpine")}


def is_accepted(version: str) -> bool:
    """Return whether a version is new enough."""
    return _parts(version) >= _parts(OLDEST)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
