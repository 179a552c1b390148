"""The configurator in memory behaves as the real one does where the difference would be seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blueprint.document import Blueprint
from controlplane.ansible.faults import UNREACHABLE
from controlplane.reconciler.ports import Configurator, HostSecrets, ObservedHost
from kit.faults import Fault
from tests.support.memory_configurator import MemoryConfigurator


def test_the_second_run_changes_nothing_and_a_new_address_changes_something(
    blueprint: Blueprint,
    observe: Callable[..., ObservedHost],
    make_secrets: Callable[[Blueprint], HostSecrets],
) -> None:
    configurator: Configurator = MemoryConfigurator()
    secrets = make_secrets(blueprint)

    def run(host: ObservedHost) -> int:
        return configurator.configure(
            blueprint, host, secrets, known_host="k", progress=lambda _: None
        )

    waiting, complete = observe(blueprint, waiting=("mx1-3",)), observe(blueprint)

    assert [run(waiting), run(waiting), run(complete), run(complete)] == [1, 0, 1, 0]


def test_a_password_is_needed_once(
    blueprint: Blueprint, observe: Callable[..., ObservedHost]
) -> None:
    configurator = MemoryConfigurator()
    host = observe(blueprint)

    def contact(password: str | None) -> str:
        return configurator.first_contact(
            host, ssh_public_key="k", password=password, progress=lambda _: None
        )

    with pytest.raises(Fault, match="refuses our login"):
        contact(None)
    assert contact("secret") == contact(None)


def test_a_failure_can_be_ordered_once(
    blueprint: Blueprint, observe: Callable[..., ObservedHost]
) -> None:
    configurator = MemoryConfigurator()
    configurator.fail_next(UNREACHABLE(reason="gone"))

    with pytest.raises(Fault, match="gone"):
        configurator.first_contact(
            observe(blueprint), ssh_public_key="k", password="p", progress=lambda _: None
        )
    configurator.first_contact(
        observe(blueprint), ssh_public_key="k", password="p", progress=lambda _: None
    )
