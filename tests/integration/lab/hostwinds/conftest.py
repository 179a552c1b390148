"""The Hostwinds emulator in memory, and its API without our client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.app import create_app
from lab.memory import MemoryMachines, MemoryNameserver
from tests.support.emulator import Emulator
from tests.support.families import dual_stack
from tests.support.plain_http import plain_client

KEY = "the-key"
Api = Callable[..., Any]


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def machines() -> MemoryMachines:
    return MemoryMachines()


@pytest.fixture
def nameserver() -> MemoryNameserver:
    return MemoryNameserver()


@pytest.fixture
def hostwinds_account(
    machines: MemoryMachines, nameserver: MemoryNameserver, clock: Clock
) -> Iterator[HostwindsAccount]:
    hostwinds_account = HostwindsAccount(machines, nameserver, KEY, clock=clock)
    yield hostwinds_account
    hostwinds_account.close()


@pytest.fixture
def base(emulator: Emulator, hostwinds_account: HostwindsAccount) -> str:
    emulator.app = create_app(hostwinds_account)
    return emulator.url


@pytest.fixture
def both_families(hostwinds_account: HostwindsAccount) -> Iterator[int]:
    """The port of an API that listens on both families of loopback."""
    with dual_stack(create_app(hostwinds_account)) as port:
        yield port


@pytest.fixture
def api(base: str) -> Iterator[Api]:
    http = plain_client(base)

    def call(action: str, **parameters: Any) -> Any:
        form = {"action": action, "API": KEY, **parameters}
        answer = http.post("/cloud/api.php", data=form)
        assert answer.status_code == 200
        return answer.json()

    yield call
    http.close()


def order(api: Api, **more: Any) -> Any:
    """Order a server as a customer does."""
    parameters = {
        "template": api("get_public_images")["success"][0]["uuid"],
        "rid": "52",
        "location_id": 12,
        "srvrname": "acme-mx1",
        **more,
    }
    return api("add_instance", **parameters)


def refusal(answer: Any) -> str:
    """Return the message of an answer that is a refusal."""
    [step] = answer
    assert step["result"] == "error"
    return str(step["message"])
