"""Reads the root password of a new host from the provider; it is used once and never stored."""

from __future__ import annotations

from collections.abc import Mapping

from hostwinds.client import Client
from kit.faults import Fault


def root_password(service_id: int, environment: Mapping[str, str]) -> str | None:
    """Return the root password of a service, None where the provider shows none. Blocks."""
    try:
        with Client.from_environment(environment) as client:
            return client.root_password(service_id).get_secret_value() or None
    except Fault as fault:
        raise fault.at(f"service {service_id}") from None
