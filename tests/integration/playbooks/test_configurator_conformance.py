"""All configurators behave the same: Ansible over SSH, and the double of other tests.

The checks that need a whole host run on the lab's, in `tests/e2e/playbooks`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from blueprint.document import Blueprint
from controlplane.ansible.configurator import AnsibleConfigurator, ConfiguratorSettings
from controlplane.reconciler.ports import (
    Configurator,
    HostSecrets,
    ObservedAddress,
    ObservedHost,
    SubmissionUser,
)
from kit.paths import checkout
from tests.support.configurator_conformance import (
    CHECKS,
    Calls,
    Surroundings,
    check_run_with_a_smaller_token_is_refused,
    check_what_differs_is_changed_once,
)
from tests.support.memory_configurator import PASSWORD as FIRST
from tests.support.memory_configurator import MemoryConfigurator
from tests.support.tenants import rendered, tenant

from .test_first_contact import PASSWORD, Host, SshPort, make_key

IP = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.9"
"""Each process that runs tests uses port 22 of its own loopback address."""


def observed(blueprint: Blueprint) -> ObservedHost:
    """Return the host of a blueprint with its addresses on the loopback device."""
    [host] = blueprint.hosts
    addresses = tuple(
        ObservedAddress(address.name, f"{IP[:-1]}{8 + address.index}", address.helo)
        for address in host.addresses
    )
    return ObservedHost(host.name, host.server_name, 7, addresses)


def secrets_of(blueprint: Blueprint, private_key: str) -> HostSecrets:
    """Return the secrets of a host."""
    addresses = blueprint.hosts[0].addresses
    return HostSecrets(
        ssh_private_key=private_key,
        tls_certificates={address.helo: ("CERTIFICATE", "KEY") for address in addresses},
        users=tuple(
            SubmissionUser(address.name, f"{address.name}.acme", ("b.acme.example",))
            for address in addresses
            if address.sends_bulk
        ),
        password_hashes={
            f"{address.name}.acme": "$6$salt$x" for address in addresses if address.sends_bulk
        },
    )


class InMemory:
    """The double and its only host."""

    password = FIRST

    def __init__(self) -> None:
        self.blueprint = rendered(tenant("mx1@acme.example*2", domains="acme.example"))
        self.host = observed(self.blueprint)
        private, self.public_key = make_key()
        self.secrets = secrets_of(self.blueprint, private)
        self._hosts = MemoryConfigurator()
        self.configurator: Configurator = self._hosts

    def stop_host(self) -> None:
        self._hosts.dead.add(self.host.name)

    def reinstall(self) -> None:
        self._hosts.reinstall(self.host)

    def remove_key(self) -> None:
        self._hosts.remove_keys(self.host)


class OnLoopback(InMemory):
    """The real configurator, and a host that implements only the SSH protocol."""

    password = PASSWORD

    def __init__(self) -> None:
        super().__init__()
        self.configurator = AnsibleConfigurator(
            ConfiguratorSettings(
                playbooks=checkout() / "playbooks",
                sender_sources=("198.51.100.7/32",),
                ssh_deadline=timedelta(seconds=1),
                deadline=timedelta(minutes=1),
            )
        )
        self._server = Host()
        self._port: SshPort | None = SshPort(self._server, 22, IP)

    def stop_host(self) -> None:
        if self._port is not None:
            self._port.close()
        self._port = None

    def reinstall(self) -> None:
        self.stop_host()
        self._port = SshPort(self._server, 22, IP)

    def remove_key(self) -> None:
        self._server.scripts.clear()


@pytest.fixture
def loopback() -> Iterator[OnLoopback]:
    try:
        socket.create_server((IP, 22)).close()
    except OSError as error:
        pytest.skip(f"port 22 of {IP} cannot be used: {error}")
    surroundings = OnLoopback()
    yield surroundings
    surroundings.stop_host()


def name_of(check: Callable[..., None]) -> str:
    return check.__name__.removeprefix("check_")


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_configurator_over_ssh_conforms(
    loopback: OnLoopback, check: Callable[[Surroundings], None]
) -> None:
    check(loopback)


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_configurator_in_memory_conforms(check: Callable[[Surroundings], None]) -> None:
    check(InMemory())


def test_configurator_in_memory_changes_what_differs_once() -> None:
    surroundings = InMemory()
    line = Calls(surroundings).first_contact(surroundings.password)

    def configure(host: ObservedHost) -> int:
        surroundings.host = host
        return Calls(surroundings).configure(line)

    check_what_differs_is_changed_once(configure, surroundings.host)


def test_configurator_in_memory_refuses_a_smaller_token() -> None:
    calls = Calls(InMemory())
    line = calls.first_contact(calls.around.password)

    def configure(token: int) -> int:
        return calls.configure(line, token)

    check_run_with_a_smaller_token_is_refused(configure, 7, 8)
