"""The tenant document as operators write it: a short file in the style of kubectl."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

API_VERSION = "penguinmails.dev/v1"

LABEL_PATTERN = r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$"
DOMAIN_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$"
MAIL_PATTERN = r"^[a-z0-9._%+-]{1,64}@[a-z0-9.-]+\.[a-z0-9-]{2,}$"

Label = Annotated[str, Field(pattern=LABEL_PATTERN)]
"""A lower-case RFC 1035 label of at most 30 characters: part of host and server names."""

DomainName = Annotated[str, Field(max_length=200, pattern=DOMAIN_PATTERN)]
"""A lower-case fully qualified domain name in Punycode, without the final dot (RFC 1035)."""


def _with_single_dots(address: str) -> str:
    """Refuse what only a quoted local part may hold (RFC 5321 section 4.1.2)."""
    local = address.partition("@")[0]
    if local.startswith(".") or local.endswith(".") or ".." in local:
        msg = "an address with single dots, none of them at an end of what stands before the @"
        raise ValueError(msg)
    return address


MailAddress = Annotated[
    str, Field(max_length=254, pattern=MAIL_PATTERN), AfterValidator(_with_single_dots)
]
"""A lower-case mailbox address (RFC 5321)."""


class Document(BaseModel):
    """Base of everything that is read from or printed to a document: frozen, no unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_alias=True, validate_by_name=True
    )


class Plan(StrEnum):
    """The plans of the catalogue; their limits are data in `blueprint.catalogue`."""

    STARTER = "starter"
    PROFESSIONAL = "professional"
    BUSINESS = "business"
    ENTERPRISE = "enterprise"


class Size(StrEnum):
    """The sizes of a host; processor, memory and price are data in `blueprint.catalogue`."""

    STARTER = "starter"
    PROFESSIONAL = "professional"
    BUSINESS = "business"


class Dns(StrEnum):
    """Who writes a domain's records."""

    CLOUDFLARE = "cloudflare"
    MANUAL = "manual"


class DmarcPolicy(StrEnum):
    """The `p=` tag of a DMARC record (RFC 7489)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Warmup(StrEnum):
    """The warm-up curves; their daily caps are data in `blueprint.warmup`."""

    CONSERVATIVE = "conservative"
    STANDARD = "standard"
    AGGRESSIVE = "aggressive"


class Metadata(Document):
    """What identifies a document."""

    name: Label


class HostSpec(Document):
    """One VPS of the tenant."""

    name: Label
    size: Size = Size.STARTER
    addresses: int = Field(default=1, ge=1, le=32, strict=True)
    """Public IPv4 addresses in all: the primary one that comes with the VPS, and the others."""
    zone: DomainName | None = None
    """Zone of its names: one of the tenant's Cloudflare domains; by default the platform's."""


class DomainSpec(Document):
    """One sending domain."""

    name: DomainName
    dns: Dns = Dns.CLOUDFLARE
    dmarc: DmarcPolicy = DmarcPolicy.NONE


class MailboxSpec(Document):
    """One mailbox that people and campaigns send from."""

    address: MailAddress
    daily_cap: int = Field(default=50, ge=1, le=500, strict=True)


class SendingSpec(Document):
    """How the tenant's mail is sent."""

    warmup: Warmup = Warmup.STANDARD


class TenantSpec(Document):
    """What the tenant shall have."""

    plan: Plan
    region: Label
    hosts: tuple[HostSpec, ...] = Field(min_length=1)
    domains: tuple[DomainSpec, ...] = Field(min_length=1)
    mailboxes: tuple[MailboxSpec, ...] = ()
    sending: SendingSpec = SendingSpec()


class Tenant(Document):
    """The whole document. Rules across fields are in `blueprint.validation`."""

    api_version: Literal["penguinmails.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["Tenant"]
    metadata: Metadata
    spec: TenantSpec
