"""The settings of each part: nothing that only another part needs."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, SecretStr

from blueprint.platform import Platform
from composition.settings import HostSettings, VerificationSettings
from controlplane.images.settings import ImageSettings
from controlplane.settings import CertificateSettings, ReconcilerSettings
from kit.database import Role, role_name

Secret = Annotated[
    SecretStr, PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json")
]
"""Hidden by `repr`; in clear text only in the JSON that is sent through the pipe."""


class Part(StrEnum):
    """What runs in a process of its own."""

    API = "api"
    PUBLIC = "public"
    RECONCILER = "reconciler"
    SENDER = "sender"
    CHECKER = "checker"


ROLES = {
    Part.API: (Role.API, Role.OPERATOR),
    Part.PUBLIC: (Role.PUBLIC,),
    Part.RECONCILER: (Role.CONTROLLER,),
    Part.SENDER: (Role.SENDER,),
    Part.CHECKER: (Role.CONTROLLER,),
}
"""The roles that each part logs in as; the first one writes its heartbeat."""


class PartSettings(BaseModel):
    """What every part needs: its logins at the database."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dsn: str
    """Without user and password."""
    installation: str
    passwords: dict[Role, Secret]
    """Of the roles that the part logs in as; the first one writes its heartbeat."""

    def login(self, role: Role) -> str:
        """Return the name of a role in the database."""
        return role_name(self.installation, role)


class ApiPart(PartSettings):
    """The tenant API."""

    pool_size: int
    platform: Platform
    pepper: Secret
    redis_url: Secret
    """Where senders show connections and rates."""
    images: ImageSettings
    socket: int
    """Descriptor of the listening socket, which outlives a restart of the part."""


class HttpsPart(BaseModel):
    """HTTPS of the endpoints without a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    socket: int
    keys: Secret
    """A key ring that opens the keys of certificates for these endpoints, and nothing else."""
    certificate: Path | None
    """Of all other names."""


class PublicPart(PartSettings):
    """The endpoints without a key."""

    token_key: Secret
    token_keys: dict[int, Secret]
    socket: int
    https: HttpsPart | None = None


class ReconcilerPart(PartSettings):
    """The reconciler, with the credentials of the providers."""

    pool_size: int
    platform: Platform
    key_file: Path
    hosts: HostSettings
    images: ImageSettings
    verification: VerificationSettings
    reconciler: ReconcilerSettings
    certificates: CertificateSettings
    engine: dict[str, Secret]
    """All variables of an operation of the engine: provider, backend, plugins, PATH."""
    socket: int
    """Descriptor of the listening socket of `/metrics`."""


class CheckerPart(PartSettings):
    """The checks from outside: it logs in at hosts, and has no credentials of providers."""

    pool_size: int
    key_file: Path
    verification: VerificationSettings
    roots: Path | None
    """Certificates (PEM) of public authorities that are trusted; None: those of the system."""
    socket: int
    """Descriptor of the listening socket of `/metrics`."""


class SenderPart(PartSettings):
    """The sender."""

    key_file: Path
    token_key: Secret
    token_keys: dict[int, Secret]
    public_url: str
    unsubscribe_address: str | None
    helo: str | None
    resolver: str | None
    """Name server that is asked for MX records."""
    redis_url: Secret
    """Where connections and rates are shown."""
    lists: bool
    """Whether claimed mail waits in Redis, too."""
    stop_within: timedelta
    socket: int
    """Descriptor of the listening socket of `/metrics`."""
