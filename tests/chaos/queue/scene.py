"""What takes part in a run: servers, receiver, tenants, and what is known of them."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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
from kit.paths import checkout, state_dir
from sender import directory, migrations
from sender.database import sqlalchemy_url
from sender.directory import DirectoryEntry, SendingAddress, SendingDomain, SendingMailbox
from tests.chaos.queue.journal import Account
from tests.chaos.queue.program import CAP, Kind
from tests.chaos.queue.receiver import HOSTS, Files, Mode
from tests.support.installation import INSTALLATION, login
from tests.support.waiting import wait_for
from tests.support.warmth import resolve_domains
from tools.servers import Postgres, Valkey
from vault import KeyRing, Vault

AWAY = (psycopg.Error, OSError)
HELO = "mx1-1.chaos.example"
TOKEN_KEY = "ab" * 32
MAILBOXES = ("sales", "news", "info")
"""A bucket each."""


@dataclass(frozen=True)
class Tenant:
    """One that sends, through a host of its own or of others too."""

    number: int

    @property
    def id(self) -> UUID:
        """Return its id; tenants are in different slots."""
        return UUID(int=(0x0199 << 112) + (self.number << 16) + 13 * self.number % 256)

    @property
    def ip(self) -> str:
        """Return its host."""
        return HOSTS[self.number % len(HOSTS)]

    @property
    def domain(self) -> str:
        """Return its From domain."""
        return f"t{self.number}.example"


TENANTS = [Tenant(number) for number in range(16)]


@dataclass(frozen=True)
class End:
    """How a sender ended by SIGKILL."""

    name: str
    point: str
    account: Account


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
    port: int = 0
    ca_pem: str = ""
    receiver: asyncio.subprocess.Process | None = None
    offered: dict[int, UUID] = field(default_factory=dict)
    """Jobs whose enqueueing was committed, by number."""
    cancelled: set[UUID] = field(default_factory=set)
    poison: set[UUID] = field(default_factory=set)
    """Jobs that end whoever tries them."""
    offering: float = 0.0
    """Seconds during which mail was offered."""
    ends: list[End] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    """Disturbances, by name."""

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

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Connect for one statement after another, also while others may not write."""
        options = "-c default_transaction_read_only=off"
        async with await psycopg.AsyncConnection.connect(
            self.dsn, autocommit=True, options=options
        ) as connection:
            yield connection

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
    kinds: Sequence[Kind], seed: int, lease: float, *, durable: bool
) -> AsyncIterator[Scene]:
    """Start the servers and the receiver, and publish the tenants."""
    root = state_dir() / "chaos-queue"
    _clear_killed_runs(root)
    directory = root / str(os.getpid())
    directory.mkdir(parents=True)
    postgres = Postgres(directory / "postgres", durable=durable)
    valkey = Valkey(directory / "valkey", durable=False) if Kind.LISTS in kinds else None
    chance = random.Random(seed)  # noqa: S311 - repeatable
    scene = Scene(kinds, directory, postgres, valkey, chance, lease)
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
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def _receiving(scene: Scene) -> AsyncIterator[None]:
    now = datetime.now(UTC)
    ca = create_ca("chaos", now=now)
    leaf = issue(ca, HELO, now=now)
    scene.ca_pem = ca.certificate
    scene.files.certificate.write_text(leaf.private_key + leaf.certificate)
    scene.receiver = process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.queue.receiver",
        str(scene.directory),
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
        for tenant in TENANTS:
            entry = _entry(scene, tenant, vault, pem)
            await directory.publish(connection, tenant_id=tenant.id, entry=entry)
    await controller.dispose()


def _entry(scene: Scene, tenant: Tenant, vault: Vault, pem: bytes) -> DirectoryEntry:
    password = directory.password_context(tenant.id, "mx1-1")
    key = directory.dkim_context(tenant.id, tenant.domain)
    address = SendingAddress(
        name="mx1-1",
        ip=tenant.ip,
        helo=HELO,
        port=scene.port,
        username="chaos",
        sealed_password=vault.seal(b"password", context=password),
        ca_pem=scene.ca_pem,
    )
    domain = SendingDomain(
        name=tenant.domain,
        return_path=f"b.{tenant.domain}",
        selector="s1",
        sealed_dkim_key=vault.seal(pem, context=key),
        verified=True,
    )
    return DirectoryEntry(
        tenant=f"t{tenant.number}",
        addresses=(address,),
        domains=(domain,),
        mailboxes=tuple(
            SendingMailbox(address=f"{name}@{tenant.domain}", daily_cap=CAP) for name in MAILBOXES
        ),
        warmup_started=datetime.now(UTC).date() - timedelta(days=100),
        postal_address="Chaos Inc., 1 Main Street, Springfield",
    )


def _clear_killed_runs(root: Path) -> None:
    for abandoned in root.iterdir() if root.exists() else ():
        if not Path(f"/proc/{abandoned.name}").exists():
            Postgres(abandoned / "postgres").stop()
            Valkey(abandoned / "valkey").stop()
            shutil.rmtree(abandoned, ignore_errors=True)
