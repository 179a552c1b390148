"""Lists the parts of all tenants that a key may see, page by page."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from blueprint.document import Blueprint
from blueprint.instructions import instructions
from blueprint.mail_address import domain_of
from blueprint.naming import host_of
from blueprint.platform import Platform
from controlplane.conditions import repository as condition_rows
from controlplane.conditions.model import PROVISIONED
from controlplane.hosts import repository as host_rows
from controlplane.hosts.repository import HostRow
from controlplane.inventory.schemas import AddressView, DomainView, HostView, MailboxView, Part
from controlplane.pagination import paginate
from controlplane.tenants import draining as draining_rows
from controlplane.tenants import draining_domains as draining_domain_rows
from controlplane.tenants import repository as tenant_rows
from controlplane.tenants import service
from controlplane.tenants.draining import Draining
from controlplane.tenants.draining_domains import DrainingDomain
from controlplane.tenants.rendering import render_before_a_pass
from controlplane.tenants.repository import TenantRow
from controlplane.tenants.schemas import ConditionView

P = TypeVar("P", bound=Part)
BATCH = 20
"""Tenants that are read together."""


@dataclass(frozen=True)
class Listed:
    """A tenant whose parts are listed."""

    tenant: TenantRow
    hosts: Mapping[str, HostRow]
    conditions: Mapping[str, list[ConditionView]]
    """By subject."""
    draining: Sequence[Draining]
    draining_domains: Sequence[DrainingDomain]
    platform: Platform

    @property
    def blueprint(self) -> Blueprint:
        """Return the blueprint of the tenant's document, without its keys."""
        return render_before_a_pass(
            self.tenant,
            self.hosts,
            self.platform,
            keys=None,
            addresses=self.draining,
            domains=self.draining_domains,
        )

    def common(self, kind: str, name: str) -> dict[str, Any]:
        """Return the fields of every part."""
        conditions = self.conditions.get(f"{kind}/{name}", [])
        return {"tenant": self.tenant.name, "name": name, "conditions": conditions}


@dataclass(frozen=True)
class Kind(Generic[P]):
    """A kind of part: how it is selected in documents and how it is shown."""

    fragment: Callable[[str], Mapping[str, Any]]
    """Returns the fragment of a specification that has a part of this name."""
    parts: Callable[[Listed], Iterable[P]]


def _hosts(listed: Listed) -> Iterable[HostView]:
    for host in listed.blueprint.hosts:
        row = listed.hosts.get(host.name)
        yield HostView(
            **listed.common("host", host.name),
            server_name=host.server_name,
            incarnation=host.incarnation,
            service_id=row.service_id if row else None,
            size=host.size,
            cpu=host.cpu,
            ram_mb=host.ram_mb,
            disk_gb=host.disk_gb,
            location=host.location,
            zone=host.zone,
            addresses=[address.name for address in host.addresses],
        )


def _addresses(listed: Listed) -> Iterable[AddressView]:
    for host in listed.blueprint.hosts:
        for address in host.addresses:
            common = listed.common("address", address.name)
            yield AddressView(
                **common,
                ip=next((c.message for c in common["conditions"] if c.reason == PROVISIONED), None),
                host=host.name,
                role=address.role,
                helo=address.helo,
                sends_bulk=address.sends_bulk,
                draining=address.draining,
            )


def _domains(listed: Listed) -> Iterable[DomainView]:
    blueprint = listed.blueprint
    for domain in (*blueprint.domains, *blueprint.draining_domains):
        yield DomainView(
            **listed.common("domain", domain.name),
            dns=domain.dns,
            dmarc=domain.dmarc,
            draining=domain in blueprint.draining_domains,
            set_by_hand=instructions(blueprint, domain.name),
        )


def _mailboxes(listed: Listed) -> Iterable[MailboxView]:
    for box in listed.tenant.document.spec.mailboxes:
        yield MailboxView(
            **listed.common("mailbox", box.address),
            domain=domain_of(box.address),
            daily_cap=box.daily_cap,
            aliases=list(box.aliases),
        )


HOSTS = Kind(lambda name: {"hosts": [{"name": name}]}, _hosts)
ADDRESSES = Kind(lambda name: {"hosts": [{"name": host_of(name)}]}, _addresses)
DOMAINS = Kind(lambda name: {"domains": [{"name": name}]}, _domains)
MAILBOXES = Kind(lambda name: {"mailboxes": [{"address": name}]}, _mailboxes)


async def page(
    connection: AsyncConnection,
    kind: Kind[P],
    platform: Platform,
    *,
    tenant: str | None,
    name: str | None,
    cursor: str,
    limit: int,
) -> tuple[Sequence[P], str | None]:
    """Return the parts behind a cursor, at most `limit`, and the cursor of the next page."""
    if tenant is not None:
        await service.find(connection, tenant)
    name = name and name.lower()  # as DNS and our mailboxes, which ignore case
    start, _, last = cursor.partition("/")
    spec = {} if name is None else kind.fragment(name)
    parts: list[P] = []
    async for listed in _tenants(connection, platform, spec, tenant=tenant, start=start):
        parts += [
            part
            for part in sorted(kind.parts(listed), key=lambda part: _natural_key(part.name))
            if (name is None or part.name == name)
            and (part.tenant != start or _natural_key(part.name) > _natural_key(last))
        ]
        if len(parts) > limit:
            break
    return paginate(parts, limit, lambda part: f"{part.tenant}/{part.name}")


async def _tenants(
    connection: AsyncConnection,
    platform: Platform,
    spec: Mapping[str, Any],
    *,
    tenant: str | None,
    start: str,
) -> AsyncIterator[Listed]:
    """Yield tenants by name from `start` on, with their hosts and conditions."""
    after, inclusive = start, True
    while rows := await tenant_rows.page(
        connection, after=after, inclusive=inclusive, name=tenant, spec=spec, limit=BATCH
    ):
        after, inclusive = rows[-1].name, False
        conditions = await condition_rows.load_all(connection, [row.id for row in rows])
        for row in rows:
            by_subject: dict[str, list[ConditionView]] = defaultdict(list)
            for condition in conditions[row.id]:
                by_subject[condition.subject].append(ConditionView(**vars(condition)))
            hosts = await host_rows.load(connection, row.id)
            draining = await draining_rows.load(connection, row.id)
            domains = await draining_domain_rows.load(connection, row.id)
            yield Listed(row, hosts, by_subject, draining, domains, platform)


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sort key: mx1-2 comes before mx1-10."""
    parts = re.findall(r"(\d+)|(\D+)", name)
    return [(int(number or 0), letters) for number, letters in parts]
