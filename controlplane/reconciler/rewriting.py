"""Records and reverse names that others have changed are written again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from blueprint.tenant import Dns
from controlplane.conditions.model import Status
from controlplane.operations import repository as operation_rows
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject

REFRESH = "refresh"
"""The operation that compares the state with the providers before it updates."""
RECORD_INTERVAL = timedelta(minutes=30)
"""Least time after which records are written again: other servers may show for a while what was
there before."""
POINTER_INTERVAL = timedelta(days=1)
"""The same for reverse names, which appear up to a day after they were set."""


@dataclass(frozen=True)
class Rewriting:
    """What the condition of a later phase says of the records that `cloud` has written."""

    condition: str
    records: Collection[str]
    """Reasons for which records are compared with their provider."""
    pointers: Collection[str]
    """Reasons for which reverse names are set again; the provider does not show them."""

    @property
    def reasons(self) -> frozenset[str]:
        """Return all reasons for which something is written again."""
        return frozenset((*self.records, *self.pointers))

    async def is_due(self, snapshot: Snapshot, session: Session, phase: str) -> bool:
        """Return whether the last pass has found something to write again, and it is time to.

        Operations that wait for an address, of which there is one in each pass, do not count.
        """
        manual = {
            subject(Kind.DOMAIN, domain.name)
            for domain in snapshot.blueprint.domains
            if domain.dns is Dns.MANUAL
        }
        reasons = {self._reason(part, snapshot) for part in snapshot.parents.keys() - manual}
        intervals = [RECORD_INTERVAL] if reasons & set(self.records) else []
        intervals += [POINTER_INTERVAL] if reasons & set(self.pointers) else []
        if not intervals:
            return False
        async with session.read() as connection:
            written = await operation_rows.last_written(
                connection,
                snapshot.tenant.id,
                phase,
                kind=REFRESH,
                digest=snapshot.cloud.digest or "",
            )
        return written is None or session.clock() - written >= min(intervals)

    def lost_pointers(self, snapshot: Snapshot) -> list[str]:
        """Return the addresses whose reverse names are to be set again."""
        return [
            address.ip
            for host in snapshot.cloud.hosts
            for address in host.addresses
            if address.ip
            and self._reason(subject(Kind.ADDRESS, address.name), snapshot) in self.pointers
        ]

    def _reason(self, part: str, snapshot: Snapshot) -> str | None:
        """Return why the condition of a subject is False, None where it is not."""
        seen = snapshot.conditions.get(part, self.condition)
        return seen.reason if seen is not None and seen.status is Status.FALSE else None


NOTHING = Rewriting("", (), ())
"""Where no phase looks at records."""
