"""Settings of a reconciler's process that has no registry and no certificate authority."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from composition.listening import listen
from composition.parts.settings import ReconcilerPart
from composition.settings import HostSettings, VerificationSettings
from controlplane.settings import AuthoritySettings, CertificateSettings, ReconcilerSettings
from kit.database import Role, without_login
from tests.support.installation import INSTALLATION, NO_REGISTRY, PASSWORDS, PLATFORM


def reconciler_part(
    dsn: str, key_ring: str | Path, environment: Mapping[str, str], settings: ReconcilerSettings
) -> ReconcilerPart:
    """Return them, with a port of its own for metrics; `environment` is that of operations."""
    listener = listen("127.0.0.1", 0)
    return ReconcilerPart(
        dsn=without_login(dsn),
        installation=INSTALLATION,
        passwords={Role.CONTROLLER: PASSWORDS[Role.CONTROLLER]},
        pool_size=4,
        platform=PLATFORM,
        key_file=Path(key_ring),
        hosts=HostSettings(),
        images=NO_REGISTRY,
        verification=VerificationSettings(),
        reconciler=settings,
        certificates=CertificateSettings(first=AuthoritySettings(directory="")),
        engine={name: SecretStr(value) for name, value in environment.items()},
        socket=os.dup(listener.fileno()),
    )
