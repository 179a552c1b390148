"""Checks that every cloud engine must pass: the real one and its test double."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import pytest

from blueprint.document import Blueprint
from blueprint.tenant import HostSpec
from controlplane.reconciler.ports import CloudEngine
from hostwinds.faults import INTERRUPTED, SUPERSEDED, VANISHED
from kit.faults import Fault
from stacks.faults import OLDER_GENERATION
from tests.support.faults import fault_shown
from tests.support.points import Killed
from tests.support.tenants import rendered, tenant
from tests.support.waiting import wait_for

DEADLINE = timedelta(minutes=10)


class Surroundings(Protocol):
    """An engine, and direct access to the providers' accounts."""

    engine: CloudEngine

    def servers(self) -> list[str]:
        """Return the labels of the servers in the provider's account."""

    def bought(self) -> list[str]:
        """Return the labels of the servers that were paid for."""

    def sell_address(self) -> None:
        """Buy an additional address for the only server, in the portal."""

    def end(self, label: str) -> None:
        """Terminate a server in the portal."""

    def forget(self, label: str) -> None:
        """Close the purchase of a server, as `penguin purchases forget` does."""

    def move(self, label: str) -> str:
        """Give a server another main address in the portal; return it."""

    def hide_zone(self, zone: str) -> None:
        """Make the look-up of a zone fail."""


def one_host(*, addresses: int = 1, zone: str = "acme.example") -> Blueprint:
    """Render a tenant with one host."""
    return rendered(tenant(f"mx1@{zone}*{addresses}", domains=zone))


def killed(line: str) -> None:
    """Raise `Killed` after a server was ordered, before it is in a state."""
    if "is listed" in line:
        raise Killed


def check_a_tenant_is_created_and_destroyed(around: Surroundings) -> None:
    engine, blueprint = around.engine, one_host(addresses=2)
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
    assert around.servers() == [host.server_name]
    assert host.service_id is not None
    assert [address.ip is None for address in host.addresses] == [False, True]
    assert [address.helo for address in host.addresses] == [
        "mx1.acme.example",
        "mx1-2.acme.example",
    ]
    assert "acme.example/MX" in state.records
    assert "mx1-2/A" not in state.records
    assert any(line.startswith("mx1:") for line in lines)

    around.sell_address()
    state = engine.up(blueprint, lines.append, deadline=DEADLINE)
    assert state.pending == ()
    assert "mx1-2/A" in state.records
    assert engine.state("acme") == state
    assert engine.preview(blueprint, lines.append).changes == ()

    engine.destroy("acme", lines.append, deadline=DEADLINE)
    assert engine.state("acme").digest is None
    assert engine.state("acme").hosts == ()
    assert around.servers() == []
    engine.destroy("acme", lines.append, deadline=DEADLINE)


def check_a_host_whose_zone_is_missing_is_not_bought(around: Surroundings) -> None:
    state = around.engine.up(one_host(zone="nowhere.example"), print, deadline=DEADLINE)

    [held] = state.held
    assert (held.zone, held.code) == ("nowhere.example", "dns.zone_not_found")
    assert held.remedy
    assert state.hosts == ()
    assert state.records == {}
    assert around.servers() == []
    assert around.engine.state("acme") == state


def check_a_zone_that_cannot_be_looked_up_keeps_its_resources(around: Surroundings) -> None:
    before = rendered(
        tenant("mx1@acme.example", "mx2@beta.example", domains="acme.example beta.example")
    )
    original = around.engine.up(before, print, deadline=DEADLINE)
    around.hide_zone("acme.example")
    after = rendered(tenant("mx1@acme.example*2", domains="acme.example beta.example"))

    plan = around.engine.preview(after, print)
    state = around.engine.up(after, print, deadline=DEADLINE)

    assert [held.zone for held in plan.held] == ["acme.example"]
    assert [held.zone for held in state.held] == ["acme.example"]
    assert state.hosts == original.hosts[:1]
    assert around.servers() == [original.hosts[0].server_name]
    retained = {key: id_ for key, id_ in original.records.items() if not key.startswith("mx2")}
    assert state.records == retained


def check_what_a_killed_run_bought_is_found_and_not_bought_again(around: Surroundings) -> None:
    blueprint = one_host()
    label = blueprint.hosts[0].server_name
    with pytest.raises(Killed):
        around.engine.up(blueprint, killed, deadline=DEADLINE)
    assert around.engine.state("acme").hosts == ()
    assert around.servers() == [label]

    state = around.engine.up(blueprint, print, deadline=DEADLINE)

    assert [host.server_name for host in state.hosts] == [label]
    assert around.bought() == [label]


def check_what_a_killed_run_bought_is_ended_with_its_tenant(around: Surroundings) -> None:
    with pytest.raises(Killed):
        around.engine.up(one_host(), killed, deadline=DEADLINE)
    assert len(around.servers()) == 1

    def ended() -> bool:
        """Destroy, repeatedly as passes do: a server just ordered may not be listed yet."""
        try:
            around.engine.destroy("acme", print, deadline=DEADLINE)
        except Fault as fault:
            if fault.code is not INTERRUPTED:
                raise
            return False
        return True

    wait_for(ended)
    assert around.servers() == []


def check_a_server_that_was_ended_in_the_portal_is_not_bought_again(around: Surroundings) -> None:
    # A further one, by which the key shows that it reaches the account.
    blueprint = rendered(tenant("mx1@acme.example", "mx2@acme.example", domains="acme.example"))
    original = around.engine.up(blueprint, print, deadline=DEADLINE)
    bought = around.bought()
    around.end(blueprint.hosts[0].server_name)

    assert around.engine.state("acme") == original
    assert around.engine.up(blueprint, print, deadline=DEADLINE) == original
    assert around.bought() == bought
    around.engine.destroy("acme", print, deadline=DEADLINE)
    assert around.engine.state("acme").hosts == ()


def check_a_server_that_has_ended_is_bought_again_when_its_purchase_is_forgotten(
    around: Surroundings,
) -> None:
    # A further one, by which the key shows that it reaches the account.
    blueprint = rendered(tenant("mx1@acme.example", "mx2@acme.example", domains="acme.example"))
    label = blueprint.hosts[0].server_name
    original = around.engine.up(blueprint, print, deadline=DEADLINE)
    bought = list(around.bought())
    around.end(label)
    with fault_shown(VANISHED, what=...):
        around.engine.up(blueprint, print, deadline=DEADLINE, refreshed=True)
    assert around.bought() == bought
    around.forget(label)

    state = around.engine.up(blueprint, print, deadline=DEADLINE, refreshed=True)

    assert around.bought() == [*bought, label]
    again = {host.name: host.service_id for host in state.hosts}
    before = {host.name: host.service_id for host in original.hosts}
    assert again["mx1"] != before["mx1"]
    assert again["mx2"] == before["mx2"]


def check_a_main_address_that_has_moved_is_taken_over_by_a_refresh(around: Surroundings) -> None:
    blueprint = one_host()
    original = around.engine.up(blueprint, print, deadline=DEADLINE)
    moved = around.move(blueprint.hosts[0].server_name)
    assert around.engine.up(blueprint, print, deadline=DEADLINE) == original

    state = around.engine.up(blueprint, print, deadline=DEADLINE, refreshed=True)

    assert [host.primary_ip for host in state.hosts] == [moved]
    assert state.records == original.records
    assert around.bought() == [blueprint.hosts[0].server_name]


def check_neither_an_earlier_holder_of_the_lease_nor_a_retired_host_buys(
    around: Surroundings,
) -> None:
    around.engine.destroy("acme", print, deadline=DEADLINE, fence=5)
    with fault_shown(SUPERSEDED, name=...):
        around.engine.up(one_host(), print, deadline=DEADLINE, fence=4)
    assert around.bought() == []
    retired = HostSpec(name="mx2", zone="acme.example")
    blueprint = rendered(
        tenant("mx1@acme.example", domains="acme.example"), draining={"mx2-1": retired}
    )
    state = around.engine.up(blueprint, print, deadline=DEADLINE, fence=5)
    assert [host.name for host in state.hosts] == ["mx1"]
    assert len(around.bought()) == 1


def check_an_earlier_holder_of_the_lease_ends_nothing(around: Surroundings) -> None:
    original = around.engine.up(one_host(), print, deadline=DEADLINE, fence=5)
    for act in (
        lambda: around.engine.destroy("acme", print, deadline=DEADLINE, fence=4),
        lambda: around.engine.up(one_host(zone="b.example"), print, deadline=DEADLINE, fence=4),
    ):
        with fault_shown(SUPERSEDED, name=...):
            act()
    assert around.engine.state("acme") == original
    assert around.servers() == [original.hosts[0].server_name]


def check_an_older_generation_is_refused_unless_a_person_goes_back(around: Surroundings) -> None:
    larger = tenant("mx1@acme.example", "mx2@acme.example", domains="acme.example")
    current = around.engine.up(rendered(larger, generation=7), print, deadline=DEADLINE)
    assert current.generation == 7
    older = one_host()
    for replaced in (None, 6):
        with fault_shown(OLDER_GENERATION, stack="acme", known=7, given=1):
            around.engine.up(older, print, deadline=DEADLINE, replaced=replaced)
    assert around.engine.state("acme") == current
    assert len(around.servers()) == 2

    state = around.engine.up(older, print, deadline=DEADLINE, replaced=7)

    assert (state.generation, len(state.hosts), len(around.servers())) == (1, 1, 1)


CHECKS: list[Callable[[Surroundings], None]] = [
    check for name, check in sorted(globals().items()) if name.startswith("check_")
]
