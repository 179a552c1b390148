"""What tests of the lab itself need: hosts as their provider sells them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import paramiko
import pytest

from lab.place import LabPlace


class Customer:
    """Orders servers and addresses through the provider's emulator."""

    def __init__(self, place: LabPlace) -> None:
        self._place = place
        self._http = httpx2.Client(base_url=place.hostwinds_url, timeout=60)
        self.ordered: list[int] = []

    def call(self, action: str, **parameters: object) -> Any:
        form = {"API": self._place.hostwinds_key, "action": action}
        form |= {name: str(value) for name, value in parameters.items()}
        answer = self._http.post("/cloud/api.php", data=form).raise_for_status().json()
        assert '"error"' not in json.dumps(answer)
        return answer["success"] if isinstance(answer, dict) and "success" in answer else answer

    def order(self, name: str) -> dict[str, Any]:
        image = next(one for one in self.call("get_public_images") if "Debian" in one["name"])
        self.call(
            "add_instance",
            template=image["uuid"],
            rid=51,
            location_id=self.call("get_locations")[0]["id"],
            qty=1,
            srvrname=name,
            billingcycle="monthly",
        )

        def active() -> dict[str, Any] | None:
            listed = [one for one in self.call("get_instances") if one["srvrname"] == name]
            found = [one for one in listed if one["status"].lower() == "active"]
            return found[0] if found else None

        server = wait(active, 60)
        self.ordered.append(server["serviceid"])
        return server

    def attach(self, service_id: int) -> str:
        answer = self._http.post("/_lab/portal/attach", json={"serviceid": service_id})
        return str(answer.raise_for_status().json()["address"])

    def close(self) -> None:
        for service_id in self.ordered:
            self.call("terminate", serviceid=service_id)
        self._http.close()


def wait(look: Callable[[], Any], seconds: float = 20) -> Any:
    """The first answer that is neither None nor false."""
    end = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < end, f"not within {seconds} s"
    return answer


@pytest.fixture
def eventually() -> Callable[..., Any]:
    return wait


@pytest.fixture
def banner() -> Callable[..., bytes]:
    """What a server's port 22 says first; nothing when it does not answer."""

    def look(address: str, timeout: float = 1) -> bytes:
        try:
            with socket.create_connection((address, 22), timeout) as stream:
                return stream.recv(64)
        except OSError:
            return b""

    return look


@pytest.fixture
def as_root() -> Callable[[str, str, str], str]:
    """Log in as a customer does, with the password of the order, and run a command."""

    def execute(address: str, password: str, command: str) -> str:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # noqa: S507 - a new host
        client.connect(
            address, username="root", password=password, look_for_keys=False, allow_agent=False
        )
        with client:
            _, output, errors = client.exec_command(command)
            return (output.read() + errors.read()).decode()

    return execute


@pytest.fixture(scope="session")
def customer(lab: LabPlace) -> Iterator[Customer]:
    customer = Customer(lab)
    yield customer
    customer.close()
