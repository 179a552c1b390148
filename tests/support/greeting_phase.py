"""An example of an additional phase: its row and its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controlplane.conditions.model import bad, ok
from controlplane.reconciler.phase import Phase, Step, Verdicts
from controlplane.reconciler.ports import Progress
from controlplane.reconciler.session import Session
from controlplane.reconciler.snapshot import Snapshot
from controlplane.reconciler.subjects import Kind, subject
from controlplane.reconciler.table import Row


class Greeting(Phase[Sequence[str]]):
    """Greets each domain once its DNS records are verified."""

    row = Row(
        name="greeting",
        condition="Greeted",
        about="the domain was greeted",
        subjects=frozenset({Kind.DOMAIN}),
        needs=("dns",),
    )

    def __init__(self, at_removal: Callable[[], None] = lambda: None) -> None:
        self.greeted: set[str] = set()
        self._at_removal = at_removal

    async def observe(self, snapshot: Snapshot, session: Session) -> Sequence[str]:
        return [d.name for d in snapshot.blueprint.domains if d.name not in self.greeted]

    def verdicts(self, observed: Sequence[str], snapshot: Snapshot) -> Verdicts:
        return {
            subject(Kind.DOMAIN, domain.name): bad("NotGreeted", "comes next")
            if domain.name in observed
            else ok("Greeted", f"hello {domain.name}")
            for domain in snapshot.blueprint.domains
        }

    def steps(self, observed: Sequence[str], snapshot: Snapshot) -> Sequence[Step]:
        return [Step(subject(Kind.DOMAIN, name), operation="greet") for name in observed]

    async def converge(
        self, step: Step, snapshot: Snapshot, session: Session, progress: Progress
    ) -> None:
        name = step.subject.partition("/")[2]
        progress(f"{name}: greeted")
        self.greeted.add(name)

    async def remove(self, snapshot: Snapshot, session: Session) -> None:
        self._at_removal()
        self.greeted.clear()
