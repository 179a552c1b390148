"""The interface of a phase: observe, return the missing steps, run them, remove its resources.

A phase is one file in `phases/`. Other modules use only its row; its ports are arguments of its
constructor. Phases share nothing but the snapshot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from controlplane.conditions.model import TENANT, Verdict
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.rest import NEVER
from controlplane.reconciler.session import AnyReading, Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.table import Row

Verdicts = Mapping[str, Verdict]
"""By subject. A verdict on the tenant itself replaces the aggregate of the others; a subject
without a verdict keeps its condition."""


@dataclass(frozen=True)
class Step:
    """One change of one subject."""

    subject: str = TENANT
    operation: str | None = None
    """Name of the operation in lists; None: no external system is changed."""
    maintenance: bool = False
    """Whether it maintains existing resources, and is run for a paused tenant too."""
    is_another: bool = False
    """Whether it is another one than what failed for good: a stalled tenant's is run, too."""
    urgent: bool = False
    """Whether it is run whatever else failed or waits, as what stops mail is."""


Observed = TypeVar("Observed")
"""The type of a phase's observation."""


class Phase(ABC, Generic[Observed]):
    """A row of the table with the ports that it needs.

    One object serves all tenants concurrently: observations are returned, never stored.
    """

    row: Row

    def readings(self, tenant_id: UUID) -> Sequence[AnyReading]:
        """Return what the phase reads of each tenant: it is read with the tenant, at once."""
        del tenant_id
        return ()

    @abstractmethod
    async def observe(self, snapshot: Snapshot, session: Session) -> Observed:
        """Observe and change nothing; called again after steps."""

    @abstractmethod
    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return a verdict on each subject."""

    def steps(self, observed: Observed, snapshot: Snapshot) -> Sequence[Step]:
        """Return the missing changes, one step per subject; they are run concurrently."""
        del observed, snapshot
        return ()

    async def urgent_steps(self, snapshot: Snapshot, session: Session) -> Sequence[Step]:
        """Return the urgent steps that are due now, by what is read now.

        Asked again and again while steps of any phase run. They are run beside those.
        """
        del snapshot, session
        return ()

    def holds_until(self, observed: Observed, snapshot: Snapshot) -> datetime:
        """Return from when on time may change verdicts and steps, if nothing else does.

        Only a phase whose `observe` reads what `readings` returns, and asks by `session.ask`, may
        return another time than `NEVER`.
        """
        del observed, snapshot
        return NEVER

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Run one step; raises Fault if it fails."""
        raise NotImplementedError(f"{self.row.name} has no steps")

    async def remove(self, snapshot: Snapshot, session: Session) -> None:
        """Remove the phase's resources of a tenant that is deleted; raises if some remain.

        Called for the phases in reverse order. Idempotent.
        """


AnyPhase = Phase[Any]
