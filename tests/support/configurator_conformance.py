"""Checks that every configurator must pass: the real one and its test double."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from blueprint.document import Blueprint
from controlplane.ansible.faults import HOST_KEY_CHANGED, SSH_REFUSED, SUPERSEDED, UNREACHABLE
from controlplane.reconciler.ports import Configurator, HostSecrets, ObservedHost
from tests.support.faults import fault_shown


class Surroundings(Protocol):
    """A configurator, and a new host that accepts only the provider's password."""

    configurator: Configurator
    blueprint: Blueprint
    host: ObservedHost
    secrets: HostSecrets
    public_key: str
    password: str

    def stop_host(self) -> None:
        """Make the host unreachable."""

    def reinstall(self) -> None:
        """Give the host another host key; it accepts the provider's password again."""

    def remove_key(self) -> None:
        """Delete our key on the host."""


@dataclass(frozen=True)
class Calls:
    """Calls of a configurator, with the lines that it reported."""

    around: Surroundings
    lines: list[str] = field(default_factory=list)

    def first_contact(self, password: str | None) -> str:
        return self.around.configurator.first_contact(
            self.around.host,
            ssh_public_key=self.around.public_key,
            ssh_private_key=self.around.secrets.ssh_private_key,
            password=password,
            progress=self.lines.append,
        )

    def configure(self, known_host: str, fence: int = 1) -> int:
        return self.around.configurator.configure(
            self.around.blueprint,
            self.around.host,
            self.around.secrets,
            known_host=known_host,
            progress=self.lines.append,
            fence=fence,
        )


def check_first_contact_without_password_and_key_is_refused(around: Surroundings) -> None:
    with fault_shown(SSH_REFUSED, reason=...):
        Calls(around).first_contact(None)


def check_first_contact_with_a_wrong_password_is_refused(around: Surroundings) -> None:
    with fault_shown(SSH_REFUSED, reason=...):
        Calls(around).first_contact("wrong")


def check_first_contact_needs_the_password_once_and_returns_the_host_key(
    around: Surroundings,
) -> None:
    calls = Calls(around)
    line = calls.first_contact(around.password)
    assert line.split()[0] == around.host.name
    assert len(line.split()) == 3
    assert calls.first_contact(None) == line
    assert all(text.startswith(f"{around.host.name}: ") for text in calls.lines)
    assert around.password not in " ".join(calls.lines)


def check_first_contact_with_a_host_that_does_not_answer_ends(around: Surroundings) -> None:
    around.stop_host()
    with fault_shown(UNREACHABLE, reason=...):
        Calls(around).first_contact(around.password)


def check_configure_of_a_host_that_does_not_answer_ends(around: Surroundings) -> None:
    calls = Calls(around)
    line = calls.first_contact(around.password)
    around.stop_host()
    with fault_shown(UNREACHABLE, reason=...):
        calls.configure(line)


def check_configure_of_a_host_with_another_key_touches_nothing(around: Surroundings) -> None:
    calls = Calls(around)
    line = calls.first_contact(around.password)
    around.reinstall()
    with fault_shown(HOST_KEY_CHANGED):
        calls.configure(line)


def check_configure_of_a_host_that_refuses_our_key_ends(around: Surroundings) -> None:
    calls = Calls(around)
    line = calls.first_contact(around.password)
    around.remove_key()
    with fault_shown(SSH_REFUSED, reason=...):
        calls.configure(line)


CHECKS: list[Callable[[Surroundings], None]] = [
    check_first_contact_without_password_and_key_is_refused,
    check_first_contact_with_a_wrong_password_is_refused,
    check_first_contact_needs_the_password_once_and_returns_the_host_key,
    check_first_contact_with_a_host_that_does_not_answer_ends,
    check_configure_of_a_host_that_does_not_answer_ends,
    check_configure_of_a_host_with_another_key_touches_nothing,
    check_configure_of_a_host_that_refuses_our_key_ends,
]
"""Checks that need only SSH access to a host."""


def check_what_differs_is_changed_once(
    configure: Callable[[ObservedHost], int], host: ObservedHost
) -> None:
    """Needs a running host; `configure` applies the blueprint to an observed host."""
    *others, last = host.addresses
    without_last = replace(host, addresses=(*others, replace(last, ip=None)))
    configure(host)
    assert configure(host) == 0
    assert configure(without_last) > 0
    assert configure(host) > 0
    assert configure(host) == 0


def check_run_with_a_smaller_token_is_refused(
    configure: Callable[[int], int], smaller: int, larger: int
) -> None:
    """Needs a running host; `configure` applies the blueprint under the token of a lease."""
    configure(larger)
    assert configure(larger) == 0
    with fault_shown(SUPERSEDED):
        configure(smaller)
