"""The tenant document as operators write it: a short file in the style of kubectl."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from blueprint.fields import Matching, Whole
from blueprint.mail_address import DOMAIN, OwnAddress

API_VERSION = "penguinmails.dev/v1"

LABEL_PATTERN = r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$"
DOMAIN_PATTERN = f"^{DOMAIN.replace('A-Za-z', 'a-z')}$"
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"
LABEL_KEY_PATTERN = (
    r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"
)
LABEL_PREFIX_PATTERN = r"^([^/]{1,253}/)?[^/]+$"


Label = Annotated[str, Field(pattern=LABEL_PATTERN)]
"""A lower-case RFC 1035 label of at most 30 characters: part of host and server names."""

DomainName = Annotated[str, Field(max_length=200, pattern=DOMAIN_PATTERN)]
"""A lower-case fully qualified domain name in Punycode, without the final dot (RFC 1035)."""

LabelKey = Annotated[
    str,
    Field(pattern=LABEL_KEY_PATTERN),
    Matching(LABEL_PREFIX_PATTERN, "use at most 253 characters before the /"),
]
LabelValue = Annotated[str, Field(pattern=LABEL_VALUE_PATTERN)]
"""Keys and values of `metadata.labels`, by the rules of Kubernetes."""


class Document(BaseModel):
    """Base of all models that are read from or written to a document: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Plan(StrEnum):
    """The plans of the catalogue."""

    STARTER = "starter"
    PROFESSIONAL = "professional"
    BUSINESS = "business"
    ENTERPRISE = "enterprise"


class Size(StrEnum):
    """The sizes of a host."""

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
    """The warm-up curves."""

    CONSERVATIVE = "conservative"
    STANDARD = "standard"
    AGGRESSIVE = "aggressive"


class Metadata(Document):
    """What identifies a document."""

    name: Label
    labels: dict[LabelKey, LabelValue] = Field(
        default={}, json_schema_extra={"additionalProperties": False}
    )
    """For selecting tenants, such as `team: mail`; keys and values follow Kubernetes' rules."""


class HostSpec(Document):
    """One VPS of the tenant."""

    name: Label
    size: Size = Size.STARTER
    addresses: Annotated[int, Field(ge=1, le=32, strict=True), Whole] = 1
    """Public IPv4 addresses in all: the primary one that comes with the VPS, and the others."""
    zone: DomainName | None = None
    """Zone of its names: one of the tenant's Cloudflare domains; by default the platform's."""


class DomainSpec(Document):
    """One sending domain."""

    name: DomainName
    dns: Dns = Dns.CLOUDFLARE
    zone: DomainName | None = None
    """Zone of its records; by default the longest zone of the account that the domain is in."""
    dmarc: DmarcPolicy = DmarcPolicy.NONE


class MailboxSpec(Document):
    """One mailbox that people and campaigns send from."""

    address: OwnAddress
    """In any case; kept in lower case."""
    daily_cap: Annotated[int, Field(ge=1, le=500, strict=True), Whole] = 50


class SendingSpec(Document):
    """How the tenant's mail is sent."""

    warmup: Warmup = Warmup.STANDARD


class TenantSpec(Document):
    """The desired state of the tenant."""

    plan: Plan
    region: Label
    hosts: tuple[HostSpec, ...] = Field(min_length=1)
    domains: tuple[DomainSpec, ...] = Field(min_length=1)
    mailboxes: tuple[MailboxSpec, ...] = ()
    sending: SendingSpec = SendingSpec()


class Tenant(Document):
    """The document of a tenant."""

    api_version: Literal["penguinmails.dev/v1"] = Field(alias="apiVersion")
    kind: Literal["Tenant"]
    metadata: Metadata
    spec: TenantSpec
