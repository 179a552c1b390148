"""A tenant as it is taken: its lease, and all rows that its pass begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import TextClause

from controlplane.certificates import repository as certificate_rows
from controlplane.certificates.repository import CertificateRow
from controlplane.conditions import failures
from controlplane.conditions import repository as condition_rows
from controlplane.conditions.model import Condition
from controlplane.hosts import repository as host_rows
from controlplane.hosts.repository import HostRow
from controlplane.images import repository as image_rows
from controlplane.images.schemas import PinnedImage
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.secrets import SecretStore
from controlplane.reconciler.session import AnyReading
from controlplane.schedule.repository import Lease
from controlplane.tenants import claims, repository
from controlplane.tenants import draining as address_rows
from controlplane.tenants import draining_domains as domain_rows
from controlplane.tenants.draining import Draining
from controlplane.tenants.draining_domains import DrainingDomain
from controlplane.tenants.repository import TenantRow
from kit.readings import Key, Reading, Rows
from sender.directory import DirectoryEntry, entry_of
from sender.schemas import Stop
from sender.stops import stops_reading
from vault import Vault

Result = TypeVar("Result")


@dataclass(frozen=True)
class Readings:
    """What is read of a tenant when its pass begins."""

    tenant: Reading[TextClause, TenantRow | None]
    is_interrupted: Reading[TextClause, bool]
    conditions: Reading[TextClause, list[Condition]]
    secrets: Reading[TextClause, SecretStore]
    hosts: Reading[TextClause, dict[str, HostRow]]
    certificates: Reading[TextClause, dict[str, CertificateRow]]
    images: Reading[TextClause, list[PinnedImage]]
    stops: Reading[TextClause, list[Stop]]
    entry: Reading[TextClause, DirectoryEntry | None]
    addresses: Reading[TextClause, list[Draining]]
    domains: Reading[TextClause, list[DrainingDomain]]
    others: Sequence[AnyReading]
    """What the session and the phases read."""

    @property
    def every(self) -> list[AnyReading]:
        """All of them."""
        own = [value for value in vars(self).values() if isinstance(value, Reading)]
        return [*own, *self.others]


@dataclass(frozen=True)
class Taken:
    """A tenant under our lease, with its rows."""

    lease: Lease
    readings: Readings
    rows: Mapping[Key, Rows]
    digest: bytes | None
    """Of the rows, None where they cannot be compared."""

    def of(self, reading: Reading[TextClause, Result]) -> Result:
        """Return what was read."""
        return reading.result(self.rows[reading.key])


def readings_of(
    tenant_id: UUID, vault: Vault, *, drain: timedelta, others: Sequence[AnyReading]
) -> Readings:
    """Return what is read of a tenant; `drain` is for how long what drains is kept."""
    return Readings(
        tenant=repository.reading(tenant_id),
        is_interrupted=operation_rows.is_unfinished(tenant_id),
        conditions=condition_rows.reading(tenant_id),
        secrets=SecretStore.reading(vault, tenant_id),
        hosts=host_rows.reading(tenant_id),
        certificates=certificate_rows.reading(tenant_id),
        images=image_rows.reading(),
        stops=stops_reading(tenant_id),
        entry=entry_of(tenant_id),
        addresses=address_rows.reading(tenant_id, limit=drain),
        domains=domain_rows.reading(tenant_id, limit=drain),
        others=[failures.counted_types(tenant_id), claims.claimed(tenant_id), *others],
    )
