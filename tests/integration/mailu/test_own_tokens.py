"""The control plane gets into its own mailbox of each domain by one token, whatever broke."""

from __future__ import annotations

import pytest

from blueprint.naming import system_mailbox
from controlplane.mailu.access import Mailbox, make_token, tokens
from controlplane.mailu.own_tokens import OwnTokens, ensure_tokens
from tests.support.mailu_tenants import ACME

from .conftest import Host, Killed
from .test_access import logs_in

DOMAIN = "acme.example"
BOX = Mailbox("acme", system_mailbox(DOMAIN))


class Kept:
    """What seals tokens."""

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, str]] = {}
        self.killed = False

    def keep(self, domain: str, name: str, secret: str) -> None:
        if self.killed:
            raise Killed
        self.tokens[domain] = name, secret

    def ensure(self, host: Host) -> list[str]:
        """Do what an operation does, and return what it says."""
        lines: list[str] = []
        names = {DOMAIN: self.tokens.get(DOMAIN, ("", ""))[0]}
        ensure_tokens(host.api(), OwnTokens("acme", names, self.keep), lines.append)
        return lines


@pytest.fixture
def running(host: Host) -> Host:
    host.run(ACME)
    return host


def names(host: Host) -> list[str]:
    return [each.name for each in tokens(host.api(), BOX)]


def test_token_is_made_once_and_logs_in(running: Host) -> None:
    kept = Kept()
    assert kept.ensure(running) == ["made token of penguinmails@acme.example"]
    name, secret = kept.tokens[DOMAIN]
    assert names(running) == [name]
    assert logs_in(running, BOX, secret)
    running.wire.requests.clear()
    assert kept.ensure(running) == []
    assert running.wire.writes == []


def test_token_that_was_lost_before_it_was_sealed_is_revoked(running: Host) -> None:
    kept = Kept()
    kept.killed = True
    with pytest.raises(Killed):
        kept.ensure(running)
    [lost] = names(running)
    kept.killed = False
    kept.ensure(running)
    assert names(running) == [kept.tokens[DOMAIN][0]] != [lost]


def test_token_that_the_host_does_not_know_is_made_again(running: Host) -> None:
    kept = Kept()
    kept.tokens[DOMAIN] = "control plane of another host", "secret"
    kept.ensure(running)
    name, secret = kept.tokens[DOMAIN]
    assert names(running) == [name]
    assert logs_in(running, BOX, secret)


def test_token_that_a_person_made_stays(running: Host) -> None:
    make_token(running.api(), BOX, "Phone")
    kept = Kept()
    kept.ensure(running)
    assert sorted(names(running)) == sorted(["Phone", kept.tokens[DOMAIN][0]])


def test_mailbox_that_is_not_ours_is_left_alone(host: Host) -> None:
    host.made("/domain", name=DOMAIN, comment="pm:acme")
    address = system_mailbox(DOMAIN)
    host.made("/user", email=address, raw_password="secret", comment="a person's")
    kept = Kept()
    assert kept.ensure(host) == []
    assert kept.tokens == {}
    assert host.person("GET", f"/tokenuser/{address}") == []
