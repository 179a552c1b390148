"""The rendered blueprint: the only input of Pulumi program and playbooks; without secrets."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from blueprint.digest import digest_of
from blueprint.fields import Matching
from blueprint.mail_address import MailAddress, OwnAddress
from blueprint.tenant import (
    DmarcPolicy,
    Dns,
    Document,
    DomainName,
    FullName,
    Label,
    Language,
    MailboxServer,
    SendingHours,
    Size,
    TenantSpec,
    Warmup,
)

AddressName = Annotated[
    str,
    Matching(
        r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?-[0-9]{1,2}$",
        "write the name of an address, such as mx1-2",
    ),
]
"""A host's name and the number of the address on it: `mx1-2`."""

HostName = Annotated[str, FullName]
"""A derived domain name, which may be longer than the `DomainName` it is derived from."""


class Role(StrEnum):
    """What an address is for."""

    PRIMARY = "primary"
    """Comes with the VPS: port 25, personal mail, and bulk mail only if the host has no other."""
    EGRESS = "egress"
    """Sends bulk mail; never listens on port 25."""


class Address(Document):
    """One planned public IPv4 address of a host; its IP is not part of the blueprint."""

    name: AddressName
    """`mx1-1` for the primary, `mx1-2` … for the others; never changes."""
    index: int = Field(ge=1)
    role: Role
    helo: HostName
    """Host name of the address: A = PTR = HELO = submission name."""
    sends_bulk: bool
    """True where an egress instance runs: every egress address, or a host's only address."""
    draining: bool = False
    """True where the document no longer wants it for bulk mail: kept until its mail is sent."""


class Firewall(Document):
    """The provider's firewall in front of a host. Ports are `25/tcp`."""

    profile: str
    """Name of the profile that a person made in the provider's portal."""
    inbound: tuple[str, ...]
    """What the profile must let in: SSH, and what the playbooks open."""
    outbound: tuple[str, ...]
    """What it must let out: mail, names, packages."""


class Host(Document):
    """One VPS with everything that is needed to order it."""

    name: Label
    stack: Label
    """The Pulumi stack that it belongs to: its tenant's."""
    server_name: str
    """The provider's label (`srvrname`) and our ownership key: installation, tenant, host, hash,
    incarnation."""
    incarnation: int = Field(ge=1)
    size: Size
    cpu: int
    ram_mb: int
    disk_gb: int
    location: str
    """The provider's location name for the tenant's region; empty where the platform has that
    region no more: what exists stays where it is."""
    image: str
    """The provider's name of the operating system image."""
    firewall: Firewall
    zone: DomainName
    """Its names are in this zone, or in the longest zone of the account that this name is in."""
    egress_name: HostName
    """Has one A record per address of the host; SPF records point here, so they never change."""
    addresses: tuple[Address, ...]
    mail: MailboxServer = MailboxServer.NONE
    webmail: bool = False

    @property
    def has_mailu(self) -> bool:
        """Whether people log in to their mailboxes on it."""
        return self.mail is MailboxServer.MAILU

    @property
    def primary(self) -> Address:
        """The address that the VPS comes with."""
        return self.addresses[0]

    @property
    def is_retired(self) -> bool:
        """Whether it exists only until its addresses are drained: it is never ordered again."""
        return all(address.draining for address in self.addresses if address.sends_bulk)


class RecordType(StrEnum):
    """The DNS record types that a tenant needs."""

    A = "A"
    MX = "MX"
    TXT = "TXT"
    CNAME = "CNAME"
    SRV = "SRV"


class Rule(StrEnum):
    """What a record that its zone's owner sets has to be."""

    EXACT = "exact"
    """This record."""
    ANY = "any"
    """Any valid record of its kind; this one where there is none."""
    MERGED = "merged"
    """Its terms in the record of its kind; this one where there is none."""
    OPTIONAL = "optional"
    """This record, for what is done another way without it: no mail waits for it."""
    RESERVED = "reserved"
    """This record, for later: nothing uses it yet."""

    @property
    def is_checked(self) -> bool:
        """Whether a domain waits for the record."""
        return self not in (Rule.OPTIONAL, Rule.RESERVED)


class Record(Document):
    """One DNS record. An A record of a host names the address whose IP becomes its content."""

    key: str
    """Unique and stable within the tenant; Pulumi's resource name. Example: `acme.example/MX`."""
    zone: DomainName
    """Zone of the record: `zone` of a domain of the document, else the longest zone of the account
    that this name is in."""
    stack: Label | None
    """The Pulumi stack that writes it: its tenant's; None for a record that is set by hand."""
    provider: Dns
    """`cloudflare`: the stack writes it. `manual`: shown, verified, never written."""
    name: DomainName | str
    """Fully qualified owner name, lower case, no final dot (`_dmarc.acme.example`)."""
    type: RecordType
    content: str | None = None
    """Content in presentation form without quotes; None exactly when `address` is set."""
    address: AddressName | None = None
    """Name of the address (`mx1-2`) whose IP is the content; such a record is type A."""
    priority: int | None = None
    ttl: int = 300
    comment: str
    """The ownership comment, `pm:<installation>:<tenant>:<key>`, at most 100 characters
    (Cloudflare's limit); unique like the key."""
    domain: DomainName | None = None
    """The sending domain that this record serves; None for records of a host."""
    rule: Rule = Rule.EXACT
    """Whether another record will do."""


class Dkim(Document):
    """A public DKIM key (RFC 6376)."""

    selector: Label
    public_key: str
    """Base64 of the DER SubjectPublicKeyInfo, as in the `p=` tag."""


class PublicKeys(Document):
    """Public keys that the control plane generated for a tenant."""

    ssh: str
    """One line in OpenSSH format; installed for root on every host of the tenant."""
    dkim: dict[str, Dkim]
    """By From domain."""
    people: dict[str, Dkim] = {}
    """By domain whose mailboxes are in Mailu: the key by which that signs people's mail."""


class Domain(Document):
    """One sending domain with its mail names."""

    name: DomainName
    dns: Dns
    dmarc: DmarcPolicy
    return_path: HostName
    """`b.<domain>`: return paths are `b+TOKEN@` here, so SPF aligns with DMARC."""
    mail_host: HostName
    """HELO name of the primary address that takes the domain's mail."""
    selector: Label | None
    """DKIM selector in use; None while there is no key (offline render)."""
    catch_all: OwnAddress | None = None
    """The mailbox of all addresses of the domain that are not declared."""
    zone: DomainName | None = None
    """Zone of its records, where the document names it."""
    unsubscribe_host: HostName | None = None
    """`u.<domain>`, where links in its mail lead once that is proven; None: to the platform's host,
    as long as the platform has no public address."""
    receives: bool = True
    """Whether its mail comes to us: always where we write its records, else with mailboxes."""

    def is_on(self, host: Host) -> bool:
        """Return whether its mail is taken by a host."""
        return self.mail_host == host.primary.helo


class Mailbox(Document):
    """One mailbox."""

    address: OwnAddress
    domain: DomainName
    daily_cap: int
    aliases: tuple[OwnAddress, ...] = ()
    """Its other addresses, all of domains with the mail host of its own."""
    quota_bytes: int = 10**9
    forward: tuple[MailAddress, ...] = ()
    keep: bool = True
    """Whether it keeps what is forwarded."""


class Sending(SendingHours):
    """How mail is sent."""

    warmup: Warmup
    postal_address: str | None = None
    """Shown by campaign mail."""
    footer: str | None = None
    """The tenant's own; None: the default of the language."""
    language: Language = Language.EN


class CostItem(Document):
    """One line of the monthly bill to the provider."""

    item: str
    """Example: `mx1: VPS business`, `mx1-2: IPv4 address`."""
    host: Label | None = None
    """The host whose server it is; None for an address."""
    usd_cents: int
    estimate: bool
    """True where the price comes from the settings and not from the provider's price list."""
    included: bool = False
    """True where the tenant's plan covers it; the provider is paid for it all the same."""


class Cost(Document):
    """What the tenant costs at the provider in a month."""

    items: tuple[CostItem, ...]
    usd_cents: int


CLOUD = {
    "tenant", "installation", "platform_zone", "hosts", "domains", "draining_domains", "records",
}  # fmt: skip
"""What of a blueprint concerns the providers."""


class Blueprint(Document):
    """Everything that must exist for one generation of one tenant."""

    api_version: Literal["penguinmails.dev/v1"] = Field(
        default="penguinmails.dev/v1", alias="apiVersion"
    )
    kind: Literal["Blueprint"] = "Blueprint"
    tenant: Label
    generation: int = Field(ge=1)
    spec: TenantSpec
    installation: str
    platform_zone: DomainName
    keys: PublicKeys | None
    hosts: tuple[Host, ...]
    domains: tuple[Domain, ...]
    draining_domains: tuple[Domain, ...] = ()
    """Domains that the document no longer has: `records` has what mail needs that hosts still have
    of them, and their return paths come in."""
    records: tuple[Record, ...]
    mailboxes: tuple[Mailbox, ...]
    sending: Sending
    cost: Cost
    digest: str
    """`sha256:…` over the canonical JSON of everything else in this document."""

    @property
    def cloud_digest(self) -> str:
        """Return the digest of what the Pulumi program declares: neither prices, nor what mailboxes
        and mail may do, nor the generation is in it."""
        return digest_of(self.model_dump(mode="json", by_alias=True, include=CLOUD))

    @property
    def named_zones(self) -> frozenset[DomainName]:
        """Return the zones that documents name; no larger zone takes their records."""
        domains = (*self.domains, *self.draining_domains)
        return frozenset(domain.zone for domain in domains if domain.zone is not None)
