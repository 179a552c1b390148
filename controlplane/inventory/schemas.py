"""API schemas of the parts of a tenant."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from blueprint.document import Role
from blueprint.instructions import Instruction
from blueprint.tenant import DmarcPolicy, Dns, Size
from controlplane.schemas import Page
from controlplane.tenants.schemas import ConditionView

READY: dict[str, Any] = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "message": "",
    "observed_generation": 2,
    "last_transition_at": "2026-11-24T12:06:00Z",
}


def _example(subject: str, **shown: Any) -> dict[str, Any]:
    return {"tenant": "acme", **shown, "conditions": [{"subject": subject, **READY}]}


HOST = _example(
    "host/mx1",
    name="mx1",
    server_name="acme-mx1-3f9a2c",
    incarnation=1,
    service_id=1001,
    size="business",
    cpu=4,
    ram_mb=8192,
    disk_gb=150,
    location="Seattle",
    zone="acme.example",
    addresses=["mx1-1", "mx1-2"],
)
ADDRESS = _example(
    "address/mx1-2",
    name="mx1-2",
    host="mx1",
    role="egress",
    ip="198.51.100.8",
    helo="mx1-2.acme.example",
    sends_bulk=True,
    draining=False,
)
DOMAIN = _example(
    "domain/acme.example",
    name="acme.example",
    dns="cloudflare",
    dmarc="none",
    draining=False,
    set_by_hand=[],
)
MAILBOX = _example(
    "mailbox/sales@acme.example",
    name="sales@acme.example",
    domain="acme.example",
    daily_cap=50,
    aliases=["hello@acme.example"],
)


class Part(BaseModel):
    """Fields of every part of a tenant."""

    tenant: str
    name: str
    """Unique among the tenant's parts of the same kind."""
    conditions: list[ConditionView]


class HostView(Part):
    """A host: its specification, and its observed state."""

    model_config = ConfigDict(json_schema_extra={"examples": [HOST]})

    server_name: str
    """The provider's label of the server."""
    incarnation: int
    service_id: int | None
    """The provider's id of the server; null before it was bought."""
    size: Size
    cpu: int
    ram_mb: int
    disk_gb: int
    location: str
    zone: str
    addresses: list[str]
    """Names of its addresses, the primary one first."""


class AddressView(Part):
    """An address of a host."""

    model_config = ConfigDict(json_schema_extra={"examples": [ADDRESS]})

    host: str
    role: Role
    ip: str | None
    """IPv4 address as last observed; null before the provider has assigned one."""
    helo: str
    """The name of the address in DNS and in HELO."""
    sends_bulk: bool
    draining: bool
    """True where it takes no new mail, and is kept until its host has sent all it has."""


class DomainView(Part):
    """A sending domain."""

    model_config = ConfigDict(json_schema_extra={"examples": [DOMAIN]})

    dns: Dns
    dmarc: DmarcPolicy
    draining: bool
    """True where the document has it no longer, and its records are kept for mail on hosts."""
    set_by_hand: list[Instruction]
    """Records that the owner of the zone sets, once; empty where the platform writes them."""


class MailboxView(Part):
    """A mailbox; its name is its address."""

    model_config = ConfigDict(json_schema_extra={"examples": [MAILBOX]})

    domain: str
    daily_cap: int
    aliases: list[str]
    """Its other addresses."""


class HostPage(Page[HostView]):
    """Some hosts, by tenant and name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [HOST], "next": None}]})


class AddressPage(Page[AddressView]):
    """Some addresses, by tenant and name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [ADDRESS], "next": None}]})


class DomainPage(Page[DomainView]):
    """Some domains, by tenant and name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [DOMAIN], "next": None}]})


class MailboxPage(Page[MailboxView]):
    """Some mailboxes, by tenant and name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [MAILBOX], "next": None}]})
