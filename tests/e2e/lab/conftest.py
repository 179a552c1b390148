"""Fixtures for tests of the lab: hosts as the provider delivers them."""

from __future__ import annotations

from collections.abc import Callable

import paramiko
import pytest


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
            _, stdout, stderr = client.exec_command(command)
            output: bytes = stdout.read() + stderr.read()
            return output.decode()

    return execute
