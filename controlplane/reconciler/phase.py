"""What a phase is: it observes, says which steps are missing, runs them, and removes what it made.

A phase is one file in `phases/`. Its row is all that others know of it; its ports come in
through its constructor. Between phases nothing is handed on but the snapshot.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from controlplane.conditions.model import TENANT, Verdict
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.table import Row

Verdicts = Mapping[str, Verdict]
"""By subject. One on the tenant itself stands for what would be added up from the others; a
subject without a verdict keeps its condition."""


@dataclass(frozen=True)
class Step:
    """One thing to do to one subject."""

    subject: str = TENANT
    operation: str | None = None
    """What the operation is called in lists; None: nothing outside of our database is touched."""
    upkeep: bool = False
    """Whether it keeps up what is there, and is done for a paused tenant too."""


Observed = TypeVar("Observed")
"""What a phase observes, in a type of its own."""


class Phase(ABC, Generic[Observed]):
    """A row of the table with the ports that it needs.

    One object serves all tenants at once: what it observes is returned, never stored.
    """

    row: Row

    @abstractmethod
    async def observe(self, snapshot: Snapshot, session: Session) -> Observed:
        """Observe and change nothing; called again after steps."""

    @abstractmethod
    def verdicts(self, observed: Observed, snapshot: Snapshot) -> Verdicts:
        """Return a verdict on each subject."""

    def steps(self, observed: Observed, snapshot: Snapshot) -> Sequence[Step]:
        """Return what is missing, one step per subject; they are run at the same time."""
        del observed, snapshot
        return ()

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        """Do one step; raises Fault for what cannot be done now."""
        raise NotImplementedError(f"{self.row.name} has no steps")

    async def remove(self, snapshot: Snapshot, session: Session) -> None:
        """Remove what the phase made for a tenant that is deleted; raises where something is left.

        Called for the phases in reverse order. Done already is fine.
        """


AnyPhase = Phase[Any]
