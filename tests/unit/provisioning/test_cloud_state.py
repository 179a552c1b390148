"""What the state of a stack says of servers that are being created."""

from __future__ import annotations

from typing import Any

from controlplane.pulumi.state import cloud_state
from stacks.backend import INSTANCE, STACK, Checkpoint

ADDRESS = {"name": "mx1-1", "ip": None, "helo": "mx1.acme.example"}


def resource(kind: str, name: str, **others: Any) -> dict[str, Any]:
    return {"type": kind, "urn": f"urn:pulumi:acme::penguin::{kind}::{name}", **others}


def stack(server_name: str) -> dict[str, Any]:
    """Return the stack's outputs, of a program that declares one host."""
    host = {"name": "mx1", "server_name": server_name, "addresses": [ADDRESS]}
    return resource(STACK, "penguin-acme", outputs={"digest": "sha256:1", "hosts": [host]})


def instance(server_name: str, main_ip: str) -> dict[str, Any]:
    outputs = {"serviceId": 1001, "mainIp": main_ip}
    return resource(INSTANCE, "mx1", inputs={"serverName": server_name}, outputs=outputs)


def test_host_whose_server_is_not_listed_yet_is_pending() -> None:
    state = cloud_state(Checkpoint([stack("acme-mx1")], None))
    assert (state.hosts, state.pending) == ((), ("mx1-1",))


def test_host_whose_server_is_not_active_yet_is_pending() -> None:
    state = cloud_state(Checkpoint([stack("acme-mx1"), instance("acme-mx1", "")], None))
    assert state.pending == ("mx1-1",)
    assert state.hosts[0].service_id == 1001


def test_host_is_pending_until_the_server_that_replaces_its_own_is_listed() -> None:
    rows = [stack("acme-mx1-2"), instance("acme-mx1", "198.18.1.10")]
    assert cloud_state(Checkpoint(rows, None)).pending == ("mx1-1",)
    rows = [stack("acme-mx1-2"), instance("acme-mx1-2", "198.18.1.11")]
    assert cloud_state(Checkpoint(rows, None)).pending == ()
