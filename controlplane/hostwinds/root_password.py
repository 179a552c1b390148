"""Asks the provider for the password of a new host; it is used once and kept nowhere."""

from __future__ import annotations

from controlplane.reconciler.ports import ProvisioningError
from hostwinds.client import Client
from hostwinds.errors import HostwindsError


def root_password(service_id: int) -> str | None:
    """Return the root password of a service, None where the provider shows none. Blocks."""
    try:
        with Client.from_environment() as client:
            return client.root_password(service_id).get_secret_value() or None
    except HostwindsError as error:
        raise ProvisioningError(
            getattr(error, "code", "hostwinds.refused"),
            str(error),
            remedy=error.remedy,
            where=f"service {service_id}",
        ) from None
