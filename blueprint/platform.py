"""The operator's settings that apply to every tenant."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from blueprint.fields import Count, Matching
from blueprint.mail_address import OwnAddress
from blueprint.tenant import Document, DomainName, Size
from blueprint.zones import is_within

VPS = {Size.STARTER: 999, Size.PROFESSIONAL: 1899, Size.BUSINESS: 3899}


def _of_all_sizes(prices: dict[Size, int]) -> dict[Size, int]:
    return VPS | prices


class Prices(Document):
    """Monthly prices at the provider in US cents; set by the operator."""

    vps: Annotated[dict[Size, Annotated[Count, Field(ge=0)]], AfterValidator(_of_all_sizes)] = VPS
    address: Annotated[Count, Field(ge=0)] = 499


FIREWALL_PROFILE = "penguin-mail"
OFFLINE = "offline"
"""The installation id where none is set up: a blueprint rendered with it cannot be applied."""


class Platform(Document):
    """Facts that are the same for all tenants."""

    installation: Annotated[
        str,
        Matching(
            r"^[a-z][a-z0-9]{1,7}$", "write 2 to 8 lower-case letters and digits, a letter first"
        ),
    ]
    """Part of every name and comment at a provider, so that two installations can share one
    provider account. Created by `penguin init`; never changes."""
    zone: DomainName
    """The platform's own Cloudflare zone: hosts without a zone, targets of manual zones."""
    names: tuple[DomainName, ...] = ()
    """Further names of the platform, such as those of its API and website: no tenant's domain may
    be one of them, in one of their zones or around one."""
    dmarc_reports: OwnAddress | None = None
    """Mailbox that takes DMARC reports (`rua=`), in the platform's zone, where each domain's
    authorisation is written; without one no reports are asked for."""
    public_address: str | None = None
    """IPv4 address at which the Internet reaches the public endpoints by HTTPS: `u.<domain>` of
    each From domain leads there, and links in its mail once that is proven. It stays as long as
    such links are out. None: links have the platform's own host."""
    locations: dict[str, str] = Field(
        default_factory=lambda: {
            "us-west": "Seattle",
            "us-central": "Dallas",
            "eu-west": "Amsterdam",
        }
    )
    """Our region to the provider's location name."""
    image: str = "Debian 13"
    """The provider's name of the system for new hosts; the playbooks are for this one."""
    firewall_profile: Annotated[str, Field(min_length=1)] = FIREWALL_PROFILE
    """Name of the firewall profile for hosts, made by the operator in the provider's portal. The
    provider's own ones do not fit: `default` lets no mail in, `smtp` no SSH."""
    prices: Prices = Prices()

    @field_validator("dmarc_reports", "public_address", mode="before")
    @classmethod
    def _is_set(cls, address: object) -> object:
        """A variable of the environment without a value is not set."""
        return None if address == "" else address

    @field_validator("public_address")
    @classmethod
    def _is_ipv4(cls, address: str | None) -> str | None:
        if address is not None:
            try:
                IPv4Address(address)
            except ValueError:
                msg = "it should be an IPv4 address such as 192.0.2.80"
                raise ValueError(msg) from None
        return address

    @field_validator("dmarc_reports")
    @classmethod
    def _is_in_zone(cls, address: str | None, info: ValidationInfo) -> str | None:
        zone = info.data.get("zone")
        if address is not None and zone and not is_within(address.partition("@")[2], zone):
            msg = f"it should be an address in {zone}: only there its authorisation can be written"
            raise ValueError(msg)
        return address
