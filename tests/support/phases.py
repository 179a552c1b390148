"""All phases on whatever a test puts in the place of the world."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from composition.phases import Adapters, make_phases
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.ports import CloudEngine, Configurator, Verifier


def standard(
    engine: CloudEngine,
    verifier: Verifier,
    configurator: Configurator,
    *,
    root_password: Callable[[int], str | None] = lambda _: "first",
) -> list[AnyPhase]:
    """Return all phases."""
    return make_phases(
        Adapters(
            engine=engine,
            verifier=verifier,
            configurator=configurator,
            root_password=root_password,
            cloud_deadline=timedelta(minutes=30),
        )
    )
