"""All phases, with the doubles that a test provides for their ports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from blueprint.document import Firewall
from composition.phases import Adapters, make_phases
from controlplane.conditions.failures import FailureThreshold
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.ports import CloudEngine, Configurator, Server, Servers, Verifier
from kit.faults import Fault


class Unseen:
    """A provider that does not answer."""

    def look(self, service_ids: Collection[int]) -> Mapping[int, Server]:
        """Return nothing."""
        return {}


def standard(
    engine: CloudEngine,
    verifier: Verifier,
    configurator: Configurator,
    *,
    servers: Servers | None = None,
    root_password: Callable[[int], str | None] = lambda _: "first",
    firewall: Callable[[int, Firewall], Fault | None] = lambda *_: None,
) -> list[AnyPhase]:
    """Return all phases."""
    return make_phases(
        Adapters(
            engine=engine,
            servers=servers or Unseen(),
            verifier=verifier,
            configurator=configurator,
            root_password=root_password,
            firewall=firewall,
            cloud_deadline=timedelta(minutes=30),
            threshold=FailureThreshold(),
        )
    )
