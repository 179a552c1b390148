"""The client takes every shape of answer and never shows a secret."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from hostwinds.client import Client
from hostwinds.errors import FirewallWithoutSsh, Refused, Unauthorized
from hostwinds.limiter import FileLimiter, Limiter, PostgresLimiter
from lab.hostwinds.world import World
from tests.integration.hostwinds.conftest import KEY, Clock


@pytest.fixture
def server(world: World, client: Client, clock: Clock) -> int:
    service = world.order("acme-mx1-abc123", "52", 12)
    clock.pause(120)
    return service


def test_a_new_server_is_not_listed_at_once(world: World, client: Client, clock: Clock) -> None:
    world.order("acme-mx1-abc123", "52", 12)
    assert client.instances() == []
    clock.pause(120)
    assert [instance.name for instance in client.instances()] == ["acme-mx1-abc123"]


def test_no_object_holds_the_root_password(client: Client, server: int) -> None:
    password = client.root_password(server).get_secret_value()
    assert password
    assert password not in repr(client.instance(server)) + repr(client.instances())


def test_a_wrong_key_is_told_without_showing_it(url: str, tmp_path) -> None:
    wrong = "the-wrong-key"
    with (
        Client(url, SecretStr(wrong), FileLimiter(tmp_path / "l", 1000)) as client,
        pytest.raises(Unauthorized) as caught,
    ):
        client.instances()
    assert wrong not in str(caught.value) + repr(caught.value) + repr(client)
    assert "allow-list" in caught.value.remedy


def test_a_server_that_is_gone_is_none(client: Client) -> None:
    assert client.instance(4711) is None


def test_a_profile_without_ssh_is_undone_and_refused(client: Client, server: int) -> None:
    with pytest.raises(FirewallWithoutSsh):
        client.set_firewall(server, "smtp")
    assert client.firewall(server).name == "default"


def test_the_main_address_cannot_be_given_back(client: Client, server: int) -> None:
    main = client.addresses(server)[0]
    with pytest.raises(Refused, match="main IP"):
        client.release_address(server, main)


def test_a_locked_server_is_not_terminated(client: Client, server: int, world: World) -> None:
    client.toggle_lock(server)
    with pytest.raises(Refused, match="locked"):
        client.terminate(server)
    assert [s.serviceid for s in world.all_servers()] == [server]


@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_requests_of_all_processes_keep_their_distance(
    kind: str,
    tmp_path,
    request: pytest.FixtureRequest,
) -> None:
    waits: list[float] = []

    def limiter() -> Limiter:
        if kind == "file":
            return FileLimiter(tmp_path / "limiter", rate=2, pause=waits.append)
        return PostgresLimiter(request.getfixturevalue("database"), rate=2, pause=waits.append)

    for _ in range(5):
        limiter().wait()  # five processes, one request each
    assert waits[0] == pytest.approx(0, abs=0.1)
    assert waits[-1] == pytest.approx(2, abs=0.5)


def test_the_key_is_in_no_address(client: Client, url: str) -> None:
    assert KEY not in url
    assert KEY not in repr(client)
