"""What answers at a host's addresses is compared with its list, on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from blueprint.document import Blueprint
from blueprint.render import INBOUND, PEOPLE
from controlplane.reconciler.ports import Finding
from controlplane.verification.exposure import INTERNAL, PortScan, expected_at, listed
from controlplane.verification.faults import EXPOSED, SHUT
from tests.support.faults import assert_shows
from tests.support.tenants import rendered, tenant

from .conftest import assert_shown, shown_by
from .name_server import IP

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Host:
    """A host at one address of this machine, whose ports are opened and closed."""

    def __init__(self, blueprint: Blueprint, stack: ExitStack) -> None:
        [self.host] = blueprint.hosts
        self._stack = stack
        self.now = 0.0
        self.listed, self.internal = self.listen(), self.listen()
        self.internal.close()
        self.scan = PortScan(
            watched={self.internal.port: "a queue"},
            expected=lambda _, __: frozenset({self.listed.port}),
            clock=lambda: self.now,
        )

    def listen(self, port: int = 0) -> Listener:
        return Listener(self._stack.enter_context(socket.create_server((IP, port))))

    async def look(self, settled_for: timedelta = timedelta.max) -> list[Finding]:
        found = await self.scan.look(self.host, self.host.primary, IP, settled_for=settled_for)
        assert_shown(found)
        assert all(finding.ok for finding in found), "nothing is turned off"
        assert all(finding.subject == "address/mx1-1" for finding in found)
        return found


class Listener:
    """A socket with its number, which stays known when it is closed."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.port: int = server.getsockname()[1]

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def host(blueprint: Blueprint) -> Iterator[Host]:
    with ExitStack() as stack:
        yield Host(blueprint, stack)


async def test_exactly_the_listed_ports_are_right(host: Host) -> None:
    [found] = await host.look()
    assert found.code is None
    assert str(host.listed.port) in found.message


async def test_port_that_is_not_in_the_list_is_named_with_what_listens_there(host: Host) -> None:
    host.listen(host.internal.port)
    [found] = await host.look()
    assert found.asks
    assert_shows(shown_by(found), EXPOSED, ip=IP, ports=f"{host.internal.port} (a queue)")


async def test_listed_port_that_does_not_answer_is_named(host: Host) -> None:
    host.scan.expected = lambda _, __: frozenset({host.listed.port, host.internal.port})
    [found] = await host.look()
    assert found.asks
    assert_shows(shown_by(found), SHUT, ip=IP, ports=str(host.internal.port), seconds=2.0)


async def test_nothing_is_said_of_an_address_that_does_not_answer_at_all(host: Host) -> None:
    host.listed.close()
    assert await host.look() == []
    host.listen(host.listed.port)
    assert len(await host.look()) == 1, "it is looked at again as soon as it answers"


async def test_look_is_repeated_daily_and_after_a_change_of_the_host(host: Host) -> None:
    assert [found.code for found in await host.look()] == [None]
    host.listen(host.internal.port)

    host.now = HOUR.total_seconds()
    assert [found.code for found in await host.look(2 * HOUR)] == [None], "as it was seen"
    assert [found.code for found in await host.look(HOUR / 2)] == [EXPOSED], "it has changed since"


async def test_what_was_wrong_is_looked_at_again_after_an_hour(host: Host) -> None:
    wrong = host.listen(host.internal.port)
    assert [found.code for found in await host.look()] == [EXPOSED]
    wrong.close()
    host.now = HOUR.total_seconds() - 1
    assert [found.code for found in await host.look()] == [EXPOSED], "as it was seen"
    host.now = HOUR.total_seconds()
    assert [found.code for found in await host.look()] == [None]


async def test_look_of_yesterday_does_not_count(host: Host) -> None:
    await host.look()
    host.listen(host.internal.port)
    host.now = DAY.total_seconds()
    assert [found.code for found in await host.look()] == [EXPOSED]


async def test_another_list_is_compared_at_once(host: Host) -> None:
    await host.look()
    other = host.listen()
    host.scan.watched = {host.listed.port: ""}
    host.scan.expected = lambda _, __: frozenset({other.port})
    [found] = await host.look()
    assert found.code is EXPOSED
    assert str(host.listed.port) in found.message


def test_each_address_of_a_host_has_its_part_of_the_list() -> None:
    [host] = rendered(tenant("mx1@acme.example*2", domains="acme.example")).hosts
    primary, bulk = host.addresses
    assert expected_at(host, primary) == {22, 25}
    assert expected_at(host, bulk) == {22, 587}
    open_to_people = host.firewall.model_copy(update={"inbound": INBOUND + PEOPLE})
    host = host.model_copy(update={"firewall": open_to_people})
    assert expected_at(host, primary) == {22, 25, 80, 443, 465, 993}
    assert expected_at(host, bulk) == {22, 587}

    [single] = rendered(tenant("mx1@acme.example", domains="acme.example")).hosts
    assert expected_at(single, single.primary) == {22, 25, 587}


def test_what_is_internal_is_in_no_list() -> None:
    assert not INTERNAL.keys() & listed(INBOUND + PEOPLE)
