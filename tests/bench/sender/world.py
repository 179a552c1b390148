"""The servers of a run, and the tenants, addresses and mailboxes of a case."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from psycopg import sql

from controlplane.authority.certificates import create_ca, issue
from controlplane.migrations import upgrade
from kit.database import Role, role_dsn
from kit.paths import state_dir
from sender import directory
from sender.directory import DirectoryEntry, SendingAddress, SendingDomain, SendingMailbox
from tests.support.installation import INSTALLATION, PASSWORDS, login
from tests.support.warmth import declare_warm, resolve_domains
from tools.servers import Postgres
from vault import KeyRing, Vault

TEMPLATE, RUN = "template_of_runs", "run"
USERNAME, PASSWORD = "bench", "a long password"
SELECTOR = "s1"
RECIPIENTS = "rcpt.example"
"""The domain of all recipients; its provider is known."""
WARM = timedelta(days=400)
SUPPRESSED = 10_000
"""Of all tenants: none of those who get mail."""
STEP = 159
"""Between the slots of two tenants: the senders' halves of the slots get them in turn, as they get
tenants with random ids."""
PUBLISH = """
insert into directory.entries (tenant_id, document, published_at) values (%s, %s, now())
"""
SETTLE = """
insert into policy.homes (tenant_id, domain, provider, address) values (%s, %s, 'other', %s)
"""
SUPPRESS = """
insert into suppression.entries (id, tenant_id, recipient, reason, source, added_at)
select gen_random_uuid(), %s, sha256(('s' || number)::bytea), 'unsubscribed', 'bench', now()
from generate_series(1, %s) as number
"""


@dataclass(frozen=True)
class Size:
    """How much there is of each kind; all of it is divided among the tenants."""

    tenants: int
    addresses: int
    domains: int
    mailboxes: int


@dataclass(frozen=True)
class Tenant:
    """One tenant."""

    id: UUID
    name: str
    mailboxes: tuple[tuple[str, ...], ...]
    """By the address that their mail leaves from."""
    addresses: tuple[SendingAddress, ...]

    def mailbox(self, turn: int) -> str:
        """Return the mailbox whose turn it is: each address gets as much mail as the others."""
        boxes = self.mailboxes[turn % len(self.mailboxes)]
        return boxes[turn // len(self.mailboxes) % len(boxes)]


class World:
    """A PostgreSQL server, a key ring, and the database of the present case."""

    def __init__(self, root: Path, postgres: Postgres) -> None:
        self.root = root
        self.key_ring = root / "keys"
        self.postgres = postgres
        KeyRing.create(self.key_ring)
        self._vault = Vault(KeyRing.load(self.key_ring))
        self._admin = psycopg.connect(postgres.dsn(), autocommit=True)
        self._admin.execute(_named("create database {}", TEMPLATE))
        upgrade(postgres.dsn(TEMPLATE), INSTALLATION, PASSWORDS)

    @property
    def dsn(self) -> str:
        """The superuser's URL of the database."""
        return self.postgres.dsn(RUN)

    @property
    def sender_dsn(self) -> str:
        """The URL of the sender's own login."""
        password = PASSWORDS[Role.SENDER].get_secret_value()
        return role_dsn(self.dsn, login(Role.SENDER), password)

    def facts(self) -> str:
        """Say which server this is, and what it promises."""
        shown = [
            self._value(sql.SQL("show {}").format(sql.Identifier(name)))
            for name in ("server_version", "fsync", "synchronous_commit")
        ]
        return "PostgreSQL {}, fsync {}, synchronous_commit {}".format(*shown)

    def fresh(self) -> None:
        """Begin with an empty database; no checkpoint falls into the next measurement."""
        self._admin.execute(_named("drop database if exists {} with (force)", RUN))
        self.checkpoint()
        self._admin.execute(_named("create database {} template " + TEMPLATE, RUN))

    def checkpoint(self) -> None:
        """Write what is dirty, so that it is not written in the next measurement."""
        self._admin.execute("checkpoint")

    def _value(self, query: sql.Composed) -> object:
        row = self._admin.execute(query).fetchone()
        return None if row is None else row[0]

    def settle(self, size: Size, port: int) -> tuple[list[Tenant], dict[str, str]]:
        """Publish tenants whose addresses, domains and mailboxes are long warm and settled.

        Also returns the files with the certificates of the hosts, by name.
        """
        chains: dict[str, str] = {}
        tenants, entries = [], []
        with psycopg.connect(self.dsn) as connection:
            for number in range(size.tenants):
                tenant, entry = self._tenant(number, size, port, chains)
                document = entry.model_dump_json()
                connection.execute(PUBLISH, [tenant.id, document])
                connection.execute(SUPPRESS, [tenant.id, SUPPRESSED // size.tenants])
                for place, domain in enumerate(entry.domains):
                    home = entry.addresses[place % len(entry.addresses)]
                    connection.execute(SETTLE, [tenant.id, domain.name, home.name])
                tenants.append(tenant)
                entries.append(entry)
        declare_warm(self.dsn, *entries, ago=WARM)
        resolve_domains(self.dsn, **{RECIPIENTS: "other"})
        return tenants, chains

    def _tenant(
        self, number: int, size: Size, port: int, chains: dict[str, str]
    ) -> tuple[Tenant, DirectoryEntry]:
        slot = number * STEP % 256
        id_ = UUID(int=0x0199_0000_0000_7000_8000_0000_0000_0000 + (number << 8) + slot)
        name, now = f"t{number}", datetime.now(UTC)
        helo = f"mx.{name}.example"
        ca = create_ca(name, now=now)
        leaf = issue(ca, helo, now=now)
        chain = self.root / f"{name}.pem"
        chain.write_text(leaf.private_key + leaf.certificate)
        chains[helo] = str(chain)
        started = (now - WARM).date()
        addresses = []
        for place in range(size.addresses // size.tenants):
            place += number * (size.addresses // size.tenants)
            address = f"mx{place}"
            context = directory.password_context(id_, address)
            addresses.append(
                SendingAddress(
                    name=address,
                    ip=f"127.1.{place // 250}.{place % 250 + 1}",
                    helo=helo,
                    port=port,
                    username=USERNAME,
                    sealed_password=self._vault.seal(PASSWORD.encode(), context=context),
                    ca_pem=ca.certificate,
                    warmup_started=started,
                )
            )
        domains = [f"d{place}.{name}.example" for place in range(size.domains // size.tenants)]
        each = size.mailboxes // size.domains
        boxes = [f"box{box}@{domain}" for domain in domains for box in range(each)]
        entry = DirectoryEntry(
            tenant=name,
            addresses=tuple(addresses),
            domains=tuple(self._domain(id_, domain) for domain in domains),
            mailboxes=tuple(SendingMailbox(address=box, daily_cap=100_000) for box in boxes),
            warmup_started=started,
            postal_address="Bench Inc., 1 Main Street, Springfield",
        )
        homes = tuple(
            tuple(box for box in boxes if box.partition("@")[2] in domains[at :: len(addresses)])
            for at in range(len(addresses))
        )
        return Tenant(id_, name, homes, entry.addresses), entry

    def _domain(self, tenant_id: UUID, name: str) -> SendingDomain:
        key = self._vault.seal(dkim_key()[0], context=directory.dkim_context(tenant_id, name))
        return SendingDomain(
            name=name,
            return_path=f"b.{name}",
            selector=SELECTOR,
            sealed_dkim_key=key,
            verified=True,
        )

    def close(self) -> None:
        """Disconnect."""
        self._admin.close()


@cache
def dkim_key() -> tuple[bytes, bytes]:
    """Return the private key of all domains in PEM, and the public one in DER.

    Each domain has a copy that is sealed and parsed by itself.
    """
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public


@contextmanager
def world() -> Iterator[World]:
    """Start the server in a directory that is removed at the end."""
    root = state_dir() / "bench-sender"
    postgres = Postgres(root / "postgres")
    postgres.stop()
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    try:
        postgres.start()
        found = World(root, postgres)
        yield found
        found.close()
    finally:
        postgres.stop()
        shutil.rmtree(root, ignore_errors=True)


def _named(statement: LiteralString, name: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name))
