"""All phases, with the doubles that a test provides for their ports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from composition.phases import Adapters, make_phases
from controlplane.conditions.failures import FailureThreshold
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
            threshold=FailureThreshold(),
        )
    )
