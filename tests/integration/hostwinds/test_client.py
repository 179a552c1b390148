"""The client accepts every form of response and never shows a secret."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from hostwinds.client import Client
from hostwinds.faults import (
    NOT_IN_EFFECT,
    OUTCOME_UNKNOWN,
    REFUSED,
    UNAUTHORIZED,
    UNKNOWN_SERVICE,
    UNREACHABLE,
)
from hostwinds.limiter import FileLimiter, Pace
from kit.faults import Fault
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.app import create_app
from tests.integration.hostwinds.conftest import KEY, Clock
from tests.support import plain_http
from tests.support.families import dual_stack
from tests.support.faults import assert_shows, fault_shown


def test_new_server_is_listed_later(
    hostwinds_account: HostwindsAccount, client: Client, clock: Clock
) -> None:
    hostwinds_account.order("acme-mx1-abc123", "52", 12)
    assert client.instances() == []
    clock.pause(120)
    assert [instance.name for instance in client.instances()] == ["acme-mx1-abc123"]


def test_instance_has_no_root_password(client: Client, server: int) -> None:
    password = client.root_password(server).get_secret_value()
    assert password
    assert password not in repr(client.instance(server)) + repr(client.instances())


def test_wrong_key_is_refused_without_showing_it(url: str, tmp_path: Path) -> None:
    wrong = "the-wrong-key"
    with (
        Client(url, SecretStr(wrong), FileLimiter(tmp_path / "l", Pace(1000))) as client,
        pytest.raises(Fault) as caught,
    ):
        client.instances()
    assert_shows(caught.value, UNAUTHORIZED)
    assert wrong not in str(caught.value) + repr(caught.value) + repr(client)


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("get_instance", lambda client: client.instance(4711)),
        ("get_instance", lambda client: client.root_password(4711)),
        ("get_instance_ips", lambda client: client.addresses(4711)),
        ("get_instance_firewall_profile", lambda client: client.firewall(4711)),
        ("delete_ip", lambda client: client.release_address(4711, "198.18.1.11")),
        ("set_rdns", lambda client: client.set_pointer(4711, "198.18.1.11", "mx1.acme.example")),
        ("terminate", lambda client: client.terminate(4711)),
    ],
)
def test_unknown_server_is_about_the_key(
    client: Client, action: str, call: Callable[[Client], object]
) -> None:
    with fault_shown(UNKNOWN_SERVICE, action=action, reason=...):
        call(client)


def test_request_is_sent_over_ipv4_where_the_name_has_both_families(
    hostwinds_account: HostwindsAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider refuses IPv6, and a resolver prefers it."""

    def resolved(host: object, port: object, *_: object, **__: object) -> list[tuple[object, ...]]:
        addresses = ((socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port)))
        return [(family, socket.SOCK_STREAM, 6, "", address) for family, address in addresses]

    with dual_stack(create_app(hostwinds_account)) as port:
        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        url = f"http://clients.hostwinds.example:{port}/cloud/api.php"
        call = {"action": "get_instances", "API": KEY}
        assert "Not Authorized!" in plain_http.post(url, data=call).text
        with Client(url, SecretStr(KEY), FileLimiter(tmp_path / "limiter", Pace(1000))) as client:
            assert client.instances() == []


def test_order_whose_answer_is_lost_has_an_unknown_outcome(
    client: Client, hostwinds_account: HostwindsAccount
) -> None:
    template = client.image_id("Debian 13")
    hostwinds_account.faults.inject("lost_answer")
    with fault_shown(OUTCOME_UNKNOWN, reason=...):
        client.order(name="mx1", template=template, rid=52, location_id="12", cycle="monthly")
    assert [server.srvrname for server in hostwinds_account.all_servers()] == ["mx1"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://", "https://hostwinds.invalid/"])
def test_order_that_could_not_be_sent_has_a_known_outcome(url: str, tmp_path: Path) -> None:
    with (
        Client(url, SecretStr(KEY), FileLimiter(tmp_path / "l", Pace(1000))) as client,
        fault_shown(UNREACHABLE, action="add_instance", reason=...),
    ):
        client.order(name="mx1", template="t", rid=52, location_id="12", cycle="monthly")


def test_release_without_effect_is_a_fault(
    client: Client, server: int, hostwinds_account: HostwindsAccount
) -> None:
    secondary = hostwinds_account.attach(server)
    hostwinds_account.faults.inject("no_effect", times=-1)
    unreleased = f"it still has {secondary} after its release"
    with fault_shown(NOT_IN_EFFECT, service_id=server, what=unreleased):
        client.release_address(server, secondary)


def test_main_address_release_is_refused(client: Client, server: int) -> None:
    main = client.addresses(server)[0]
    with fault_shown(REFUSED, action="delete_ip", reason=...):
        client.release_address(server, main)


def test_locked_server_is_not_terminated(
    client: Client, server: int, hostwinds_account: HostwindsAccount
) -> None:
    hostwinds_account.server(None, server).locked = True
    with fault_shown(REFUSED, action="terminate", reason=...):
        client.terminate(server)
    assert [s.serviceid for s in hostwinds_account.all_servers()] == [server]


def test_key_is_in_no_url(client: Client, url: str) -> None:
    assert KEY not in url
    assert KEY not in repr(client)
