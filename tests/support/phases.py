"""The reconciler's phases on whatever a test puts in the place of the world."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phases.activation import Activation
from controlplane.reconciler.phases.cloud import Cloud
from controlplane.reconciler.phases.configuration import Configuration
from controlplane.reconciler.phases.dns import Dns
from controlplane.reconciler.phases.keys import Keys, Made, Order, make_secrets
from controlplane.reconciler.phases.verification import Verification
from controlplane.reconciler.ports import CloudEngine, Configurator, Verifier


def standard(
    engine: CloudEngine,
    verifier: Verifier,
    configurator: Configurator,
    *,
    root_password: Callable[[int], str | None] = lambda _: "first",
    make: Callable[[Order], Made] = make_secrets,
    deadline: timedelta = timedelta(minutes=30),
) -> list[AnyPhase]:
    """Return all phases."""
    return [
        Keys(make),
        Cloud(engine, deadline=deadline),
        Dns(verifier),
        Configuration(configurator, root_password=root_password),
        Verification(verifier),
        Activation(),
    ]
