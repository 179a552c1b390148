"""Fixtures of the sender's tests on real servers: queue, engines of each role, a mail host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uuid_utils
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kit.database import Role
from sender import daemon, directory
from sender.database import sqlalchemy_url
from sender.directory import DirectoryEntry, SendingAddress, SendingDomain, SendingMailbox
from sender.explain import explain
from sender.metrics import Metrics
from sender.outbox import enqueue
from sender.schemas import Explanation, OutgoingMessage, State
from sender.settings import SenderSettings
from tests.support.installation import login
from tests.support.waiting import SECONDS, reached
from tests.support.warmth import declare_warm, resolve_domains
from vault import KeyRing, Vault

from .sink import HELO, USERNAME, Sink, running_sink

KEY = rsa.generate_private_key(65537, 2048)
TOKEN_KEY = "ab" * 32
DEADLINE = SECONDS
"""Seconds to wait for a condition before the test fails."""


def engine_as(dsn: str, role: str) -> AsyncEngine:
    """Return an engine whose connections act as a role that cannot bypass the row policies."""
    return create_async_engine(
        sqlalchemy_url(dsn),
        connect_args={"options": f"-c role={role}"},
        pool_pre_ping=True,
        use_native_hstore=False,
    )


@pytest.fixture
async def api_engine(upgraded: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_as(upgraded, login(Role.API))
    yield engine
    await engine.dispose()


@pytest.fixture
async def sender_engine(upgraded: str) -> AsyncIterator[AsyncEngine]:
    """The sender's own engine."""
    engine = engine_as(upgraded, login(Role.SENDER))
    yield engine
    await engine.dispose()


@pytest.fixture
async def operator_engine(upgraded: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_as(upgraded, login(Role.OPERATOR))
    yield engine
    await engine.dispose()


@pytest.fixture
def tenant_id() -> UUID:
    return UUID(str(uuid_utils.uuid7()))


@asynccontextmanager
async def tenant_transaction(engine: AsyncEngine, tenant_id: UUID):
    """A transaction that sees one tenant."""
    async with engine.begin() as connection:
        await connection.execute(
            text("select set_config('app.current_tenant_id', :tenant, true)"),
            {"tenant": str(tenant_id)},
        )
        yield connection


def mail(**changes: object) -> OutgoingMessage:
    """A valid message."""
    fields = {
        "from": "sales@acme.example",
        "to": "bob@rcpt.example",
        "subject": "Hello",
        "text": "Hello Bob",
    }
    return OutgoingMessage.model_validate(fields | changes)


@pytest.fixture
def submit(api_engine: AsyncEngine, tenant_id: UUID) -> Callable[..., Awaitable[UUID]]:
    """Enqueue a message as the API would."""

    async def submit(key: str | None = None, tenant: UUID = tenant_id, **changes: object) -> UUID:
        async with tenant_transaction(api_engine, tenant) as connection:
            return await enqueue(
                connection, tenant_id=tenant, message=mail(**changes), idempotency_key=key
            )

    return submit


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[Sink]:
    async with running_sink(tmp_path) as running:
        yield running


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    KeyRing.create(path)
    return path


def entry_of(tenant_id: UUID, sink: Sink, ring: Path) -> DirectoryEntry:
    """What a tenant needs to send to a sink."""
    vault = Vault(KeyRing.load(ring))
    pem = KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    password = directory.password_context(tenant_id, "mx1-2")
    key = directory.dkim_context(tenant_id, "acme.example")
    return DirectoryEntry(
        tenant="acme",
        addresses=(
            SendingAddress(
                name="mx1-2",
                ip=sink.ip,
                helo=HELO,
                port=sink.port,
                username=USERNAME,
                sealed_password=vault.seal(sink.password.encode(), context=password),
                ca_pem=sink.ca_pem,
            ),
        ),
        domains=(
            SendingDomain(
                name="acme.example",
                return_path="b.acme.example",
                selector="s1",
                sealed_dkim_key=vault.seal(pem, context=key),
                verified=True,
            ),
        ),
        mailboxes=(SendingMailbox(address="sales@acme.example", daily_cap=50),),
        warmup_started=datetime.now(UTC).date() - timedelta(days=30),
        postal_address="Acme Inc., 1 Main Street, Springfield",
    )


@pytest.fixture
def entry(sink: Sink, ring: Path, tenant_id: UUID) -> DirectoryEntry:
    return entry_of(tenant_id, sink, ring)


Publish = Callable[..., Awaitable[None]]


@pytest.fixture
async def publish_cold(upgraded: str, tenant_id: UUID) -> AsyncIterator[Publish]:
    """Publish an entry as the control plane would."""
    controller = engine_as(upgraded, login(Role.CONTROLLER))

    async def publish(entry: DirectoryEntry, tenant: UUID = tenant_id) -> None:
        async with controller.begin() as connection:
            await directory.publish(connection, tenant_id=tenant, entry=entry)

    yield publish
    await controller.dispose()


@pytest.fixture
def publish(upgraded: str, publish_cold: Publish, tenant_id: UUID) -> Publish:
    """Publish an entry of which everything is warm."""

    async def publish(entry: DirectoryEntry, tenant: UUID = tenant_id) -> None:
        declare_warm(upgraded, entry)
        await publish_cold(entry, tenant)

    return publish


@pytest.fixture
def settings(upgraded: str, ring: Path) -> SenderSettings:
    """The sender's, without limits in time: what is not about them sends at once."""
    resolve_domains(upgraded, **{"rcpt.example": "other"})
    return SenderSettings(
        database_url=upgraded,
        key_ring=ring,
        token_key=TOKEN_KEY,
        public_url="https://app.penguinmails.example",
        role=login(Role.SENDER),
        concurrency=2,
        poll=0.02,
        lease=1,
        expiry=0.1,
        grace=0.2,
        burst=1000,
    )


@asynccontextmanager
async def sending(settings: SenderSettings, metrics: Metrics | None = None) -> AsyncIterator[None]:
    """Run the sender in this process."""
    stop = asyncio.Event()
    task = asyncio.create_task(daemon.run(settings, stop, metrics=metrics))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, DEADLINE)


async def explained(engine: AsyncEngine, message_id: UUID) -> Explanation:
    async with engine.connect() as connection:
        return await explain(connection, message_id)


async def reaches(engine: AsyncEngine, message_id: UUID, *states: State) -> Explanation:
    """Wait until a message is in one of the states."""
    return await reached(
        lambda: explained(engine, message_id),
        lambda explanation: explanation.message.state in states,
        seconds=DEADLINE,
    )


async def execute(engine: AsyncEngine, sql: str, **parameters: object) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(sql), parameters)


async def value(engine: AsyncEngine, sql: str) -> Any:
    async with engine.connect() as connection:
        return (await connection.execute(text(sql))).scalar()
