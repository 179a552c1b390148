"""Subjects: the parts of a tenant that have conditions of their own."""

from __future__ import annotations

from enum import StrEnum

from blueprint.document import Blueprint
from controlplane.conditions.model import TENANT


class Kind(StrEnum):
    """What a subject is: the part of its name before the slash."""

    TENANT = "tenant"
    HOST = "host"
    ADDRESS = "address"
    DOMAIN = "domain"
    MAILBOX = "mailbox"


def subject(kind: Kind, name: str) -> str:
    """Return the name of a subject: `host/mx1`."""
    return f"{kind}/{name}"


def kind_of(name: str) -> Kind:
    """Return what a subject is."""
    return Kind(name.partition("/")[0])


def parents(blueprint: Blueprint) -> dict[str, str | None]:
    """Return every subject of a tenant with the one that it is part of, parents first."""
    parent_of: dict[str, str | None] = {TENANT: None}
    for host in blueprint.hosts:
        own = subject(Kind.HOST, host.name)
        parent_of[own] = TENANT
        parent_of |= {subject(Kind.ADDRESS, address.name): own for address in host.addresses}
    parent_of |= {subject(Kind.DOMAIN, domain.name): TENANT for domain in blueprint.domains}
    return parent_of | {
        subject(Kind.MAILBOX, box.address): subject(Kind.DOMAIN, box.domain)
        for box in blueprint.mailboxes
    }
