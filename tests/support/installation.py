"""The installation that tests use, and its database logins."""

from __future__ import annotations

from pydantic import SecretStr

from blueprint.platform import Platform
from controlplane.images.settings import ImageSettings
from kit.database import Role, role_name

INSTALLATION = "k3f9a"
PLATFORM = Platform(installation=INSTALLATION, zone="penguinmails.example")
NO_REGISTRY = ImageSettings(registry="https://127.0.0.1:1")
"""No request of a test leaves the machine."""
PASSWORDS = {role: SecretStr(f"{role}-password") for role in Role}


def login(role: Role) -> str:
    """Return the name in PostgreSQL of a role of this installation."""
    return role_name(INSTALLATION, role)
