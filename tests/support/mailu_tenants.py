"""What tenants declare for a host with Mailu."""

from __future__ import annotations

from typing import Any

from controlplane.mailu.declared import DeclaredDomain, DeclaredMailbox, TenantMail

GB = 10**9


def mail_of(
    tenant: str, domain: str, *mailboxes: DeclaredMailbox, **domain_fields: Any
) -> TenantMail:
    """Return what a tenant with one domain declares."""
    declared = DeclaredDomain(domain, domain_fields.pop("public_key", "AAAA"), **domain_fields)
    return TenantMail(tenant, (declared,), mailboxes, (f"b.{domain}",))


def box(address: str, *aliases: str, quota: int = GB, **fields: Any) -> DeclaredMailbox:
    """Return a mailbox."""
    return DeclaredMailbox(address, quota, aliases, **fields)


ANN = box("ann@acme.example", "sales@acme.example", forward=("ann@elsewhere.example",))
BOB = box("bob@acme.example")
ACME = mail_of("acme", "acme.example", ANN, BOB, catch_all="bob@acme.example")
BOLT = mail_of("bolt", "bolt.example", box("eve@bolt.example", "hi@bolt.example"))
