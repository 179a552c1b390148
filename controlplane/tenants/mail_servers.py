"""Whether hosts can have the mail server that a document wants."""

from __future__ import annotations

from collections.abc import Iterator, Set

from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.faults import invalid
from blueprint.loading import settled
from blueprint.platform import Platform
from blueprint.tenant import MailboxServer, Tenant
from controlplane.faults import HOST_MAIL_STAYS
from controlplane.hosts import repository as host_rows
from controlplane.images import repository as image_rows
from controlplane.images.catalogue import ALL
from controlplane.images.faults import NOT_PINNED
from controlplane.tenants import draining
from controlplane.tenants.repository import TenantRow
from kit.faults import Violation


async def with_mail_servers(
    connection: AsyncConnection, document: Tenant, row: TenantRow | None, platform: Platform
) -> Tenant:
    """Return a document in which each host has its mail server, as it is stored.

    Where it names none, a host keeps the one that it has.
    """
    configured = await _configured(connection, row) if row is not None else {}
    stored = row.document.spec.hosts if row is not None else ()
    known = configured | {host.name: host.mail for host in stored if host.mail}
    return settled(document, platform, known)


async def check_mail_servers(
    connection: AsyncConnection, document: Tenant, row: TenantRow | None
) -> None:
    """Refuse Mailu without images, and to take it from a host that just gets it."""
    getting = await _getting(connection, row) if row is not None else set()
    pinned = await image_rows.pinned_services(connection)
    if violations := [*_without_images(document, pinned), *_changed(document, getting)]:
        raise invalid(violations)


def _without_images(document: Tenant, pinned: Set[str]) -> Iterator[Violation]:
    lacking = ", ".join(sorted(ALL - pinned))
    for index, host in enumerate(document.spec.hosts):
        if lacking and host.mail is MailboxServer.MAILU:
            yield NOT_PINNED.violation(path=_path(index), host=host.name, services=lacking)


def _changed(document: Tenant, getting: Set[str]) -> Iterator[Violation]:
    for index, host in enumerate(document.spec.hosts):
        if host.name in getting and host.mail is MailboxServer.NONE:
            yield HOST_MAIL_STAYS.violation(
                path=_path(index), host=host.name, before=MailboxServer.MAILU, wanted=host.mail
            )


async def _getting(connection: AsyncConnection, row: TenantRow) -> set[str]:
    """Return the hosts whose mail is being moved to Mailu."""
    hosts = await host_rows.load(connection, row.id)
    return {name for name, host in hosts.items() if host.moves_mail}


async def _configured(connection: AsyncConnection, row: TenantRow) -> dict[str, MailboxServer]:
    """Return what has the mailboxes of each host that exists and was configured."""
    existing = draining.hosts_of(row, await draining.load(connection, row.id))
    hosts = await host_rows.load(connection, row.id)
    return {name: host.mail for name, host in hosts.items() if name in existing and host.mail}


def _path(index: int) -> str:
    return f"spec.hosts[{index}].mail"
