"""A server for the emulator of each test, and a Cloudflare account behind its emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.cloudflare.account import EMAIL, GLOBAL_KEY, CloudflareAccount
from lab.cloudflare.app import create_app
from lab.memory import MemoryNameserver
from tests.support.emulator import Emulator

from .cloudflare_client import Client

TOKEN = "lab-token-of-forty-characters-0123456789"


@pytest.fixture
def nameserver() -> MemoryNameserver:
    return MemoryNameserver()


@pytest.fixture
def cloudflare_account(nameserver: MemoryNameserver) -> CloudflareAccount:
    return CloudflareAccount(nameserver, TOKEN)


@pytest.fixture
def url(emulator: Emulator, cloudflare_account: CloudflareAccount) -> str:
    emulator.app = create_app(cloudflare_account)
    return f"{emulator.url}/client/v4"


@pytest.fixture
def zone(cloudflare_account: CloudflareAccount) -> str:
    return str(cloudflare_account.create_zone("acme.example")["id"])


@pytest.fixture
def account(cloudflare_account: CloudflareAccount) -> CloudflareAccount:
    return cloudflare_account


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    client = Client(url, {"Authorization": f"Bearer {TOKEN}"})
    yield client
    client.close()


@pytest.fixture
def owner(url: str) -> Iterator[Client]:
    """The account's owner, with the global key."""
    client = Client(url, {"X-Auth-Email": EMAIL, "X-Auth-Key": GLOBAL_KEY})
    yield client
    client.close()


@pytest.fixture
def records(zone: str) -> str:
    return f"/zones/{zone}/dns_records"
