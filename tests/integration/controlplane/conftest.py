"""A control plane's database, its HTTP interface and keys of two tenants and an operator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI

from composition.phases import ROWS
from controlplane.app import create_app
from controlplane.database import OPERATOR, Database
from controlplane.identity.keys import Scope, create_key
from controlplane.identity.repository import add_key
from controlplane.images.settings import ImageSettings
from tests.support.installation import INSTALLATION, NO_REGISTRY, PASSWORDS, PLATFORM

PEPPER = b"pepper"
START = datetime(2026, 11, 24, 12, tzinfo=UTC)


def document(name: str = "acme", domain: str | None = None, **spec: Any) -> dict[str, Any]:
    """A tenant's document with one host, one domain and one mailbox.

    No images are pinned in most tests: a host that names no mail server has none.
    """
    domain = domain or f"{name}.example"
    usual = [{"name": "mx1", "size": "business", "addresses": 2, "zone": domain}]
    hosts = [{"mail": "none", **host} for host in spec.pop("hosts", usual)]
    return {
        "apiVersion": "penguinmails.dev/v1",
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": {
            "plan": "business",
            "region": "us-west",
            "hosts": hosts,
            "domains": [{"name": domain}],
            "mailboxes": [{"address": f"sales@{domain}"}],
            "sending": {"postal_address": "Acme Inc., Springfield"},
            **spec,
        },
    }


async def create(operator: httpx2.AsyncClient, *args: Any, **spec: Any) -> dict[str, Any]:
    """Create a tenant and return it."""
    answer = await operator.post("/tenants", json=document(*args, **spec))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


class Clock:
    """A clock that moves by `advance` only."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **parts: float) -> None:
        self.time += timedelta(**parts)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def pools(upgraded: str) -> AsyncIterator[Database]:
    """The pools of an upgraded database."""
    database = Database.connect(upgraded, INSTALLATION, PASSWORDS, pool_size=3)
    yield database
    await database.close()


@pytest.fixture
def images() -> ImageSettings:
    """The registry of images."""
    return NO_REGISTRY


@pytest.fixture
def app(pools: Database, clock: Clock, images: ImageSettings) -> FastAPI:
    return create_app(
        database=pools,
        platform=PLATFORM,
        pepper=PEPPER,
        clock=clock,
        phases=ROWS,
        images=images,
    )


Client = httpx2.AsyncClient


@pytest.fixture
async def client_of(
    pools: Database, app: FastAPI, clock: Clock
) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """Make a client with a fresh key: of a tenant by its id, else of an operator."""
    clients: list[Client] = []

    async def make(
        tenant_id: str | None = None, scopes: tuple[Scope, ...] = tuple(Scope)
    ) -> Client:
        key = create_key(PEPPER)
        async with pools.begin(OPERATOR) as connection:
            await add_key(
                connection,
                key,
                tenant_id=UUID(tenant_id) if tenant_id else None,
                scopes=scopes,
                now=clock(),
            )
        client = Client(
            transport=httpx2.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://penguin/api/v1",
            headers={"Authorization": f"Bearer {key.secret}"},
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def operator(client_of: Callable[..., Awaitable[Client]]) -> Client:
    return await client_of()
