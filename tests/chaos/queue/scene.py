"""What takes part in a run: servers, receiver, tenants, and what is known of them."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from controlplane.authority.certificates import create_ca, issue
from kit.database import Role
from kit.paths import checkout
from sender import directory, migrations
from sender.database import sqlalchemy_url
from sender.directory import DirectoryEntry, SendingAddress, SendingDomain, SendingMailbox
from tests.chaos import database, directories
from tests.chaos.queue.journal import Account
from tests.chaos.queue.program import CAP, Kind
from tests.chaos.queue.receiver import Files, Mode, hosts
from tests.support.installation import INSTALLATION, login
from tests.support.waiting import wait_for
from tests.support.warmth import resolve_domains
from tools.servers import Postgres, Valkey
from vault import KeyRing, Vault

AWAY = (psycopg.Error, OSError)
OLD = timedelta(days=30)
HELO = "mx1-1.chaos.example"
TOKEN_KEY = "ab" * 32
TENANTS = 16
MAILBOXES = ("sales", "news", "info")
"""Of each domain; a bucket each."""
SETTLE = """
insert into policy.homes (tenant_id, domain, provider, address) values (%s, %s, 'other', %s)
"""
JUST = 5.0
"""Seconds over which the rate at which mail is offered is counted."""


@dataclass(frozen=True)
class Tenant:
    """One that sends; the mail of each of its From domains leaves through another host."""

    number: int
    ips: tuple[str, ...]

    @property
    def id(self) -> UUID:
        """Return its id; tenants are in different slots."""
        return UUID(int=(0x0199 << 112) + (self.number << 16) + 13 * self.number % 256)

    def domain(self, place: int) -> str:
        """Return the From domain of one of its hosts."""
        return f"d{place}.t{self.number}.example"


def tenants(ips: Sequence[str]) -> list[Tenant]:
    """Divide hosts among the tenants; where there are few, several tenants share one."""
    each = max(1, len(ips) // TENANTS)
    starts = (number * each % len(ips) for number in range(TENANTS))
    return [Tenant(number, tuple(ips[start : start + each])) for number, start in enumerate(starts)]


@dataclass(frozen=True)
class End:
    """How a sender ended by SIGKILL."""

    name: str
    point: str
    account: Account
    rate: float
    """Mails a second that were offered just before."""


@dataclass
class Scene:
    """The servers of a run, its mail and its senders."""

    kinds: Sequence[Kind]
    """By seat."""
    directory: Path
    postgres: Postgres
    valkey: Valkey | None
    chance: random.Random
    lease: float
    """Seconds, of the senders."""
    hosts: list[str]
    port: int = 0
    ca_pem: str = ""
    receiver: asyncio.subprocess.Process | None = None
    offered: dict[int, UUID] = field(default_factory=dict)
    """Jobs whose enqueueing was committed, by number."""
    ips: dict[UUID, str] = field(default_factory=dict)
    """The host of each of these."""
    withdrawn: set[UUID] = field(default_factory=set)
    """Jobs that were to be cancelled if they still waited."""
    poison: set[UUID] = field(default_factory=set)
    """Jobs that end whoever tries them."""
    offering: float = 0.0
    """Seconds during which mail was offered."""
    offers: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=10_000))
    """The last ones: when, and how many mails."""
    ends: list[End] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    """Disturbances, by name."""
    darkened: set[str] = field(default_factory=set)
    """Hosts that were dark for a while."""

    def __post_init__(self) -> None:
        """Divide the hosts."""
        self.tenants = tenants(self.hosts)

    def rate(self) -> float:
        """Return how many mails a second were offered just now."""
        since = time.monotonic() - JUST
        return sum(count for at, count in self.offers if at > since) / JUST

    @property
    def dsn(self) -> str:
        """Return the database's URL."""
        return self.postgres.dsn()

    @property
    def key_ring(self) -> Path:
        """Return the vault's key ring."""
        return self.directory / "keys"

    @property
    def files(self) -> Files:
        """Return the receiver's."""
        return Files(self.directory)

    def received(self) -> list[tuple[str, str]]:
        """Return what the receiver has: ids of jobs, and numbers."""
        path = self.files.received
        lines = path.read_text().splitlines() if path.exists() else ()
        return [(job, number) for job, number in map(str.split, lines)]

    def unanswered(self) -> set[str]:
        """Return the jobs whose mail the receiver did not answer on purpose."""
        path = self.files.unanswered
        return set(path.read_text().split()) if path.exists() else set()

    def admin(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
        """Connect for one statement after another, also while others may not write."""
        return database.admin(self.dsn)

    def engine(self, role: Role) -> AsyncEngine:
        """Return an engine that acts as a role."""
        options = f"-c role={login(role)}"
        return create_async_engine(
            sqlalchemy_url(self.dsn), connect_args={"options": options}, poolclass=NullPool
        )

    def redis(self) -> redis.Redis:
        """Return a client."""
        assert self.valkey is not None
        return redis.Redis.from_url(self.valkey.url())

    def behave(self, ip: str, mode: Mode) -> None:
        """Let a host behave in another way."""
        assert self.receiver is not None
        assert self.receiver.stdin is not None
        self.receiver.stdin.write(f"{ip} {mode}\n".encode())


@asynccontextmanager
async def staged(
    kinds: Sequence[Kind], seed: int, lease: float, count: int, *, durable: bool
) -> AsyncIterator[Scene]:
    """Start the servers and a receiver with so many hosts, and publish the tenants."""
    directory = directories.begin("chaos-queue")
    postgres = Postgres(directory / directories.POSTGRES, durable=durable)
    valkey = Valkey(directory / directories.VALKEY, durable=False) if Kind.LISTS in kinds else None
    chance = random.Random(seed)  # noqa: S311 - repeatable
    scene = Scene(kinds, directory, postgres, valkey, chance, lease, hosts(count))
    try:
        await asyncio.to_thread(postgres.start)
        if valkey is not None:
            await asyncio.to_thread(valkey.start)
        await asyncio.to_thread(migrations.upgrade, scene.dsn, INSTALLATION)
        await asyncio.to_thread(resolve_domains, scene.dsn, **{"rcpt.example": "other"})
        async with _receiving(scene):
            await _publish(scene)
            yield scene
    finally:
        await asyncio.to_thread(postgres.stop)
        if valkey is not None:
            await asyncio.to_thread(valkey.stop)
        directories.remove(directory)


@asynccontextmanager
async def _receiving(scene: Scene) -> AsyncIterator[None]:
    now = datetime.now(UTC) - OLD  # valid by any sender's clock
    ca = create_ca("chaos", now=now)
    leaf = issue(ca, HELO, now=now)
    scene.ca_pem = ca.certificate
    scene.files.certificate.write_text(leaf.private_key + leaf.certificate)
    scene.receiver = process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.queue.receiver",
        str(scene.directory),
        str(len(scene.hosts)),
        cwd=checkout(),
        stdin=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    try:
        scene.port = int(await asyncio.to_thread(wait_for, lambda: scene.files.port.read_text()))
        yield
    finally:
        process.stdin.close()
        await process.wait()


async def _publish(scene: Scene) -> None:
    KeyRing.create(scene.key_ring)
    vault = Vault(KeyRing.load(scene.key_ring))
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    controller = scene.engine(Role.CONTROLLER)
    async with controller.begin() as connection:
        for tenant in scene.tenants:
            entry = _entry(scene, tenant, vault, pem)
            await directory.publish(connection, tenant_id=tenant.id, entry=entry)
    await controller.dispose()
    async with scene.admin() as admin:
        for tenant in scene.tenants:
            for place in range(len(tenant.ips)):
                await admin.execute(SETTLE, (tenant.id, tenant.domain(place), address_name(place)))


def address_name(place: int) -> str:
    """Return the name of one of a tenant's addresses."""
    return f"mx1-{place + 1}"


def _entry(scene: Scene, tenant: Tenant, vault: Vault, pem: bytes) -> DirectoryEntry:
    places = range(len(tenant.ips))
    return DirectoryEntry(
        tenant=f"t{tenant.number}",
        addresses=tuple(_address(scene, tenant, place, vault) for place in places),
        domains=tuple(_domain(tenant, place, vault, pem) for place in places),
        mailboxes=tuple(
            SendingMailbox(address=f"{name}@{tenant.domain(place)}", daily_cap=CAP)
            for place in places
            for name in MAILBOXES
        ),
        warmup_started=datetime.now(UTC).date() - timedelta(days=100),
        postal_address="Chaos Inc., 1 Main Street, Springfield",
    )


def _address(scene: Scene, tenant: Tenant, place: int, vault: Vault) -> SendingAddress:
    name = address_name(place)
    return SendingAddress(
        name=name,
        ip=tenant.ips[place],
        helo=HELO,
        port=scene.port,
        username="chaos",
        sealed_password=vault.seal(
            b"password", context=directory.password_context(tenant.id, name)
        ),
        ca_pem=scene.ca_pem,
    )


def _domain(tenant: Tenant, place: int, vault: Vault, pem: bytes) -> SendingDomain:
    name = tenant.domain(place)
    return SendingDomain(
        name=name,
        return_path=f"b.{name}",
        selector="s1",
        sealed_dkim_key=vault.seal(pem, context=directory.dkim_context(tenant.id, name)),
        verified=True,
    )
