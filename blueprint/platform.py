"""What the platform itself brings to every tenant; the operator's settings, as data."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from blueprint.tenant import Document, DomainName, Size


class Prices(Document):
    """Monthly prices at the provider in US cents; owned by the operator."""

    vps: dict[Size, int] = Field(
        default_factory=lambda: {
            Size.STARTER: 999,
            Size.PROFESSIONAL: 1899,
            Size.BUSINESS: 3899,
        }
    )
    address: int = 499


OFFLINE = "offline"
"""Stands for the installation where none is set up: nothing can be made for what is rendered so."""


class Platform(Document):
    """Facts that are the same for all tenants."""

    installation: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,7}$")]
    """Stands in every name and mark that we leave outside, so that two installations in one
    provider account never touch each other's things. Made by `penguin init`; never changes."""
    zone: DomainName
    """The platform's own Cloudflare zone: hosts without a zone, targets of manual zones."""
    locations: dict[str, str] = Field(
        default_factory=lambda: {
            "us-west": "Seattle",
            "us-central": "Dallas",
            "eu-west": "Amsterdam",
        }
    )
    """Our region to the provider's location name."""
    image: str = "Debian 12"
    firewall_profile: str = "default"
    """Must let SSH in: the profile `smtp` has no port 22."""
    prices: Prices = Prices()
