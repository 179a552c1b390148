"""What every cloud engine does, on Pulumi with both emulators and in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.pulumi.engine import PulumiEngine
from controlplane.reconciler.ports import CloudEngine
from tests.support.installation import INSTALLATION
from tests.support.memory_engine import MemoryEngine

from .conftest import TENANT, Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=2)

Sell = Callable[[], None]


@pytest.fixture(params=["memory", "pulumi"])
def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[CloudEngine, Sell]]:
    """An engine, and the person at the portal who sells the address that waits."""
    if request.param == "memory":
        memory = MemoryEngine(zones={"acme.example", "penguinmails.example"})
        yield memory, lambda: memory.sell("mx1-2")
    else:
        cloud: Cloud = request.getfixturevalue("cloud")
        environment = request.getfixturevalue("environment")
        real = PulumiEngine(
            installation=INSTALLATION, environment=environment, root=tmp_path / "operations"
        )
        yield real, lambda: cloud.sell_addresses(1)


def test_a_tenant_lives_from_nothing_to_nothing(
    adapter: tuple[CloudEngine, Sell], blueprint: Blueprint
) -> None:
    engine, sell = adapter
    lines: list[str] = []
    assert engine.state("acme").digest is None
    planned = {
        (change.operation, change.name)
        for change in engine.preview(blueprint, lines.append).changes
    }
    assert ("create", "mx1") in planned
    assert ("create", "acme.example/MX") in planned

    state = engine.up(blueprint, lines.append, deadline=DEADLINE)
    assert state.digest == blueprint.digest
    assert state.pending == ("mx1-2",)
    [host] = state.hosts
    assert host.server_name == blueprint.hosts[0].server_name
    assert host.service_id is not None
    assert [address.ip is None for address in host.addresses] == [False, True]
    assert [address.helo for address in host.addresses] == [
        "mx1.acme.example",
        "mx1-2.acme.example",
    ]
    assert "acme.example/MX" in state.records
    assert "mx1-2/A" not in state.records
    assert any(line.startswith("mx1:") for line in lines)

    sell()
    state = engine.up(blueprint, lines.append, deadline=DEADLINE)
    assert state.pending == ()
    assert "mx1-2/A" in state.records
    assert engine.state("acme") == state
    assert engine.preview(blueprint, lines.append).changes == ()
    assert engine.refresh("acme", lines.append).changes == ()

    engine.destroy("acme", lines.append, deadline=DEADLINE)
    assert engine.state("acme").digest is None
    assert engine.state("acme").hosts == ()
    engine.destroy("acme", lines.append, deadline=DEADLINE)


def test_host_whose_zone_is_missing_is_not_bought(
    adapter: tuple[CloudEngine, Sell], rendered: Callable[[str], Blueprint]
) -> None:
    engine, _ = adapter
    elsewhere = rendered(TENANT.replace("acme.example", "nowhere.example"))

    state = engine.up(elsewhere, print, deadline=DEADLINE)

    [held] = state.held
    assert (held.zone, held.code) == ("nowhere.example", "dns.zone_not_found")
    assert held.remedy
    assert state.hosts == ()
    assert state.records == {}
    assert engine.state("acme") == state
