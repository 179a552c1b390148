"""The kinds of resources that `penguin get` and `penguin describe` know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind. A column with `?` is left out where a table would be too wide."""

    name: str
    plural: str
    columns: tuple[str, ...]


TENANT = Kind("tenant", "tenants", ("name", "ready", "reason", "generation", "age", "cost"))
HOST = Kind(
    "host", "hosts", ("tenant", "name", "ready", "reason", "size?", "location?", "addresses")
)
ADDRESS = Kind("address", "addresses", ("tenant", "name", "ready", "reason", "helo", "use?"))
DOMAIN = Kind("domain", "domains", ("tenant", "name", "ready", "reason", "dns", "dmarc?"))
MAILBOX = Kind("mailbox", "mailboxes", ("tenant", "name", "daily_cap"))
OPERATION = Kind(
    "operation", "operations", ("id", "tenant", "phase", "kind?", "outcome", "error_code?", "age")
)
MESSAGE = Kind("message", "messages", ("id", "state", "reason?", "from?", "to", "subject", "age"))
EVENT = Kind("event", "events", ("at", "tenant", "subject", "kind", "message"))
PURCHASE = Kind("purchase", "purchases", ("name", "opened_at", "outcome"))
PARTS = (HOST, ADDRESS, DOMAIN, MAILBOX)
"""Kinds whose names are unique within a tenant."""
KINDS = (TENANT, HOST, ADDRESS, DOMAIN, MAILBOX, OPERATION, MESSAGE, EVENT, PURCHASE)
BY_WORD = {word: kind for kind in KINDS for word in (kind.name, kind.plural)}
