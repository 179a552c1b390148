"""All phases, with the doubles that a test provides for their ports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from blueprint.document import Firewall
from composition.phases import Adapters, make_phases
from controlplane.ansible.faults import UNREACHABLE
from controlplane.conditions.failures import FailureThreshold
from controlplane.reconciler.issuance import Ports
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.ports import (
    CloudEngine,
    Configurator,
    Login,
    ObservedHost,
    Server,
    Servers,
    Spooled,
    Spools,
    Verifier,
)
from controlplane.tenants.draining import LONGEST
from kit.faults import Fault
from tests.support.memory_authority import memory_ports


class EmptySpools:
    """Hosts without mail, but for what a test puts there."""

    def __init__(self) -> None:
        self.queue_ids: dict[str, set[str]] = {}
        """By address."""
        self.return_paths: dict[str, str] = {}
        """The domains that their return paths are in, by queue id."""
        self.dead: set[str] = set()
        """Names of hosts that do not answer."""

    def look(
        self,
        host: ObservedHost,
        login: Login,
        addresses: Collection[str],
        return_paths: Collection[str] = (),
    ) -> Spooled:
        """Return what a test has put there."""
        if host.name in self.dead:
            raise UNREACHABLE(reason="no route", where=f"host/{host.name}")
        found = {address: set(self.queue_ids.get(address, ())) for address in addresses}
        every = set().union(*found.values())
        return Spooled(
            found,
            {
                path: {id_ for id_ in every if self.return_paths.get(id_) == path}
                for path in return_paths
            },
        )


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
    spools: Spools | None = None,
    certificates: Ports | None = None,
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
            spools=spools or EmptySpools(),
            certificates=certificates or memory_ports(),
            cloud_deadline=timedelta(minutes=30),
            drain=LONGEST,
            threshold=FailureThreshold(),
        )
    )
