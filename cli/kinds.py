"""The kinds of resources that `penguin get` and `penguin describe` support."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from controlplane.events.schemas import EventPage
from controlplane.inventory.schemas import AddressPage, DomainPage, HostPage, MailboxPage
from controlplane.keys.schemas import KeyPage
from controlplane.messages.schemas import MessagePage
from controlplane.operations.schemas import OperationPage
from controlplane.schemas import Page
from controlplane.stops.schemas import StopPage
from controlplane.tenants.schemas import TenantPage


class Purchase(BaseModel):
    """A purchase in the journal of this machine."""

    name: str
    opened_at: datetime
    outcome: str | None


class PurchasePage(Page[Purchase]):
    """Some purchases, oldest first."""


@dataclass(frozen=True)
class Kind:
    """One kind. A column with `?` is left out where a table would be too wide."""

    name: str
    plural: str
    page: type[Page[Any]]
    columns: tuple[str, ...]
    has_names: bool = True
    """Whether a single resource can be named on the command line."""


TENANT = Kind(
    "tenant", "tenants", TenantPage, ("name", "ready", "reason", "generation", "age", "cost")
)
HOST = Kind(
    "host",
    "hosts",
    HostPage,
    ("tenant", "name", "ready", "reason", "size?", "location?", "addresses"),
)
ADDRESS = Kind(
    "address",
    "addresses",
    AddressPage,
    ("tenant", "name", "ip", "ready", "reason", "helo", "use?"),
)
DOMAIN = Kind(
    "domain", "domains", DomainPage, ("tenant", "name", "ready", "reason", "dns", "dmarc?")
)
MAILBOX = Kind("mailbox", "mailboxes", MailboxPage, ("tenant", "name", "daily_cap", "aliases?"))
OPERATION = Kind(
    "operation",
    "operations",
    OperationPage,
    ("id", "tenant", "phase", "kind?", "outcome", "error_code?", "age"),
)
MESSAGE = Kind(
    "message",
    "messages",
    MessagePage,
    ("id", "state", "reason?", "from?", "to", "subject", "age"),
)
STOP = Kind("stop", "stops", StopPage, ("target", "tenant", "reason", "actor?", "since"), False)
KEY = Kind("key", "keys", KeyPage, ("prefix", "tenant", "scopes", "age"), False)
EVENT = Kind("event", "events", EventPage, ("at", "tenant", "subject", "kind", "message"), False)
PURCHASE = Kind("purchase", "purchases", PurchasePage, ("name", "opened_at", "outcome"))
PARTS = (HOST, ADDRESS, DOMAIN, MAILBOX)
"""Kinds whose names are unique within a tenant."""
KINDS = (TENANT, *PARTS, OPERATION, MESSAGE, STOP, KEY, EVENT, PURCHASE)
BY_WORD = {word: kind for kind in KINDS for word in (kind.name, kind.plural)}
