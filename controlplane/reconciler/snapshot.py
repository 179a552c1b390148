"""The data of one pass over one tenant: its blueprint, and the observations so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from blueprint.document import Blueprint, PublicKeys, Role
from controlplane.certificates.repository import IssuedCertificate
from controlplane.conditions.model import (
    NOT_YET_REPORTED,
    STALLED,
    TENANT,
    Conditions,
    Status,
    Verdict,
    unknown,
)
from controlplane.hosts.repository import HostRow
from controlplane.reconciler.ports import CloudState
from controlplane.reconciler.secrets import SecretStore
from controlplane.reconciler.subjects import Kind, kind_of, parents, subject
from controlplane.reconciler.table import Row, types_of
from controlplane.tenants.draining import Draining
from controlplane.tenants.draining_domains import DrainingDomain
from controlplane.tenants.repository import TenantRow
from sender.schemas import Stop


@dataclass
class Snapshot:
    """One tenant, as the phases read it and add to it."""

    tenant: TenantRow
    blueprint: Blueprint
    render: Callable[[PublicKeys], Blueprint]
    secrets: SecretStore
    hosts: dict[str, HostRow]
    conditions: Conditions
    rows: Mapping[str, Row]
    """The table, by name of the phase."""
    accepted_generation: int
    """The newest one; a paused tenant is maintained at the generation applied last."""
    stops: Sequence[Stop]
    """The stops of mail that concern the tenant, the widest first."""
    draining: Sequence[Draining] = ()
    """Addresses that the document no longer wants, also those that were released lately."""
    draining_domains: Sequence[DrainingDomain] = ()
    """Domains that the document no longer has, and whose records are kept."""
    certificates: Mapping[str, IssuedCertificate] = field(default_factory=dict)
    """Those of public authorities that are valid, by name."""
    images: Mapping[str, str] = field(default_factory=dict)
    """The images that are pinned, by service: names by which hosts pull them."""
    cloud: CloudState = field(default_factory=lambda: CloudState(digest=None))
    is_cloud_current: bool = False
    """Whether what this blueprint declares at the providers was applied last."""
    look_at: datetime | None = None
    """When the next pass begins at the latest: a question had no answer."""
    awaits_servers_until: datetime | None = None
    """While the provider creates all of its hosts: nothing can be done before one is there."""
    unsubscribe_hosts: frozenset[str] = frozenset()
    """The names that links in mail may have, since they are proven."""
    leading_names: frozenset[str] = frozenset()
    """The names for links that lead to the public address, whatever answers there."""
    is_repaired: bool = True
    """Whether what others have changed is repaired now, by the policy of the document."""
    drift: dict[str, str] = field(default_factory=dict)
    """What others have changed at the providers, in words, by subject."""
    waiting: set[tuple[str, str]] = field(default_factory=set)
    """Subject and type of conditions that wait for an action outside."""
    _parents: tuple[Blueprint, Mapping[str, str | None]] | None = None
    """Those of a blueprint, since many ask for them."""

    @property
    def table(self) -> list[Row]:
        """The rows of all phases, in order."""
        return list(self.rows.values())

    @property
    def is_stalled(self) -> bool:
        """Whether something failed permanently, and the document was not applied again since."""
        return self.has_status(TENANT, STALLED, Status.TRUE)

    def has_failed(self, row: Row, subject: str) -> bool:
        """Return whether a phase failed on a subject at the current generation."""
        return self.has_status(subject, row.condition, Status.FALSE)

    def has_status(self, subject: str, type_: str, status: Status) -> bool:
        """Return whether a condition of the current generation has a status."""
        own = self.conditions.get(subject, type_)
        if own is None or own.observed_generation != self.tenant.generation:
            return False
        return own.status is status

    @property
    def parents(self) -> Mapping[str, str | None]:
        """Every subject with the one that it is part of."""
        if self._parents is None or self._parents[0] is not self.blueprint:
            self._parents = self.blueprint, parents(self.blueprint)
        return self._parents[1]

    @property
    def retired(self) -> set[str]:
        """The subjects that exist only until they are drained: nothing else waits for them."""
        hosts = [(host, host.is_retired) for host in self.blueprint.hosts]
        addresses = {
            subject(Kind.ADDRESS, address.name)
            for host, is_retired in hosts
            for address in host.addresses
            if is_retired or (address.draining and address.role is Role.EGRESS)
        }
        return addresses | {subject(Kind.HOST, host.name) for host, is_ in hosts if is_}

    @property
    def domains_in_use(self) -> set[str] | None:
        """Return the domains of the blueprint, of records that exist, and of names of hosts.

        None where the cloud was not observed as this blueprint left it.
        """
        if not self.is_cloud_current:
            return None
        written = {key.partition("/")[0] for key in self.cloud.records}
        named = {host.zone for host in self.blueprint.hosts}
        return written | named | {domain.name for domain in self.blueprint.domains}

    def set(self, subject: str, row: Row, verdict: Verdict) -> None:
        """Set the condition of a phase from its verdict."""
        self.conditions.set(subject, row.condition, verdict)
        self.waiting.discard((subject, row.condition))
        if verdict.waits:
            self.waiting.add((subject, row.condition))

    def begin_again(self, subject: str) -> None:
        """Forget what was observed of a subject: it is another one from now on."""
        for type_ in types_of(self.table, kind_of(subject)):
            self.conditions.set(subject, type_, unknown(NOT_YET_REPORTED, "not observed yet"))

    def unmet(self, row: Row, subject: str) -> Verdict | None:
        """Return why a phase cannot continue with a subject; None when its needs are met."""
        for need in row.needs:
            other = self.rows[need]
            holder = self._holder(other, subject)
            if holder is None:
                continue
            condition = self.conditions.get(holder, other.condition)
            if condition is None or condition.status is not Status.TRUE:
                reason, message = ("NotYetReported", "") if condition is None else (
                    condition.reason, condition.message
                )  # fmt: skip
                what = other.condition if holder == subject else f"{other.condition} of {holder}"
                return Verdict(
                    Status.UNKNOWN,
                    reason,
                    f"waits for {what}: {message}",
                    waits=(holder, other.condition) in self.waiting,
                )
        return None

    def _holder(self, row: Row, subject: str) -> str | None:
        """Return the subject, or its nearest parent, for which a phase has a verdict.

        The tenant represents its parts only if the phase has no verdicts on parts.
        """
        parent_of, kinds = self.parents, row.subjects
        current: str | None = subject
        while current is not None:
            if kind_of(current) in kinds:
                return current
            current = parent_of.get(current)
        return TENANT if kinds == {Kind.TENANT} else None
