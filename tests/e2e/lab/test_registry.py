"""Hosts of the lab find `ghcr.io` by name, with a certificate of the lab's authority."""

from __future__ import annotations

import json
import socket
import ssl

import dns.message
import dns.query
import httpx2
import pytest

from lab.registry.front import NAMES
from lab.running import RunningLab
from tests.support.command_line import run

pytestmark = pytest.mark.hosts


def test_registries_are_served_by_their_own_names(lab: RunningLab) -> None:
    context = ssl.create_default_context(cafile=lab.registry_ca)
    for name in NAMES:
        query = dns.message.make_query(name, "A")
        [answer] = dns.query.udp(query, str(lab.resolver), timeout=60).answer
        [address] = {record.to_text() for record in answer}
        with (
            socket.create_connection((address, 443), 10) as connection,
            context.wrap_socket(connection, server_hostname=name) as protected,
        ):
            assert protected.version() == "TLSv1.3"


def test_registry_of_the_lab_asks_for_a_token(lab: RunningLab) -> None:
    context = ssl.create_default_context(cafile=lab.registry_ca)
    answer = httpx2.get(f"{lab.registry}/v2/", verify=context, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="https://')


def test_status_says_that_images_are_stand_ins(
    lab: RunningLab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("lab", "status", "-o", "json") == 0
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert "stand-ins" in rows["registry"]["state"]
    assert rows["registry"]["address"] == lab.registry
