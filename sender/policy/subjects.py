"""Whose mail counts for a subject, and what is counted for a tenant, by the sender's directory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from blueprint.mail_address import folded
from blueprint.tenant import Warmup
from sender.directory import DirectoryEntry
from sender.policy.database import SQL, Cursor
from sender.policy.model import Kind, Subject, at_provider
from sender.policy.providers import NAMES


@dataclass(frozen=True)
class Owner:
    """Whose mail counts for a subject."""

    tenant_id: UUID
    tenant: str
    """Name of the tenant."""
    warmup: Warmup


@dataclass(frozen=True)
class Subjects:
    """What is counted for a tenant."""

    warmup: Warmup
    own: tuple[Subject, ...]
    """Addresses, From domains and mailboxes."""
    at_providers: tuple[Subject, ...]
    """Each address at each provider."""
    daily_caps: Mapping[Subject, int]
    """Of mailboxes."""


async def owners_of(cursor: Cursor, subjects: Collection[Subject]) -> dict[Subject, Owner]:
    """Return the tenants that send from subjects; one that nobody sends from is left out."""
    parts = {subject: part for subject in subjects if (part := _part(subject)) is not None}
    if not parts:
        return {}
    values = {
        "kinds": [part.kind.value for part in parts.values()],
        "names": [part.name for part in parts.values()],
    }
    await cursor.execute(SQL.owners, values)
    owners = {
        Subject(Kind(kind), name): Owner(tenant_id, tenant, Warmup(curve))
        for kind, name, tenant_id, tenant, curve in await cursor.fetchall()
    }
    return {subject: owners[part] for subject, part in parts.items() if part in owners}


def _part(subject: Subject) -> Subject | None:
    """Return what of a directory's entry a subject is, if it can be one."""
    if subject.kind is not Kind.PROVIDER:
        return None if subject.kind is Kind.TENANT else subject
    ip, _, provider = subject.name.partition("/")
    return Subject(Kind.ADDRESS, ip) if provider in NAMES else None


async def of_tenant(cursor: Cursor, tenant_id: UUID) -> Subjects | None:
    """Return what is counted for a tenant; None: nothing of it has been activated yet."""
    await cursor.execute(SQL.entry, {"tenant_id": tenant_id})
    row = await cursor.fetchone()
    return None if row is None else subjects_of(DirectoryEntry.model_validate(row[0]))


def subjects_of(entry: DirectoryEntry) -> Subjects:
    """Return what is counted for a tenant."""
    caps = {Subject(Kind.MAILBOX, folded(box.address)): box.daily_cap for box in entry.mailboxes}
    ips = [address.ip for address in entry.addresses]
    own = [
        *(Subject(Kind.ADDRESS, ip) for ip in ips),
        *(Subject(Kind.DOMAIN, domain.name) for domain in entry.domains),
        *caps,
    ]
    return Subjects(entry.warmup, tuple(own), tuple(at_providers(ips)), caps)


def at_providers(ips: Iterable[str]) -> Iterable[Subject]:
    """Return addresses as each provider knows them."""
    return (at_provider(ip, provider) for ip in ips for provider in sorted(NAMES))
