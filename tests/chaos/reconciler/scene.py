"""What takes part in a run: PostgreSQL, both providers, the API, tenants, and foreign things."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

from controlplane.migrations import upgrade
from hostwinds import VERSION
from hostwinds.journal.postgres import grant_rights
from hostwinds.plugin import write_launcher
from kit.database import Role, role_dsn
from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app as cloudflare_app
from lab.cloudflare.limits import RateLimit
from lab.emulator_server import serve
from lab.hostwinds.app import create_app as hostwinds_app
from lab.hostwinds.catalogue import LOCATIONS, PLANS
from lab.memory import MemoryMachines, MemoryNameserver
from tests.chaos import database, directories
from tests.chaos.reconciler.api import Api
from tests.chaos.reconciler.documents import PLATFORM_ZONE, Tenant
from tests.chaos.reconciler.points import Arms
from tests.chaos.reconciler.providers import Account, Chance, ChanceFaults
from tests.chaos.reconciler.switches import Without
from tests.chaos.reconciler.wires import Wires, wired
from tests.support.installation import INSTALLATION, PASSWORDS, PLATFORM, login
from tests.support.running_api import running_api
from tests.support.small_disk import CAN_MOUNT, SmallDisk
from tools.pulumi.engine import find
from tools.servers import Postgres
from vault import KeyRing

TOKEN = "lab-token-of-forty-characters-0123456789"
KEY = "key"
REQUESTS = 1_000_000
"""Of Cloudflare's API in five minutes: retries of killed processes are not what is tried here."""
PORTS = [22, 25, 80, 443, 465, 587, 993]
PROVISIONING = 15.0
"""Seconds after which an order that shows no server is a person's to settle."""
DISKS, DISK = (directories.POSTGRES, "work"), "1500m"
"""Directories that have a disk of their own, and its size."""
FOREIGN_SERVERS = ("shop-db", "k3f9b-t1-mx1-3f9a2c71be")
FOREIGN_MARK = "pm:k3f9b:t1:mx1-1/A"
"""That of another installation in the same account."""


@dataclass
class Scene:
    """The parts of a run, and what is known of it."""

    directory: Path
    postgres: Postgres
    chance: random.Random
    tenants: list[Tenant]
    hostwinds: Account
    cloudflare: CloudflareAccount
    nameserver: MemoryNameserver
    faults: Chance
    arms: Arms
    lease: float
    """Seconds."""
    without: Without
    database_disk: SmallDisk | None
    """None: this user cannot mount one."""
    work_disk: SmallDisk | None
    """Has the working directories of operations."""
    api: Api | None = None
    environment: dict[str, str] = field(default_factory=dict)
    """Of operations."""
    foreign: dict[str, Any] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    """What happened, by name."""
    settled: set[str] = field(default_factory=set)
    """Tenants that have converged to what was last declared."""
    broken: list[str] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        """Return the database's URL."""
        return self.postgres.dsn()

    @property
    def key_ring(self) -> Path:
        """Return the vault's key ring."""
        return self.directory / "keys"

    @property
    def history(self) -> Path:
        """Return the file of what was bought and ended."""
        return self.directory / "history.jsonl"

    @property
    def requests(self) -> Api:
        """Return the API."""
        assert self.api is not None
        return self.api

    def admin(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]:
        """Connect for one statement after another."""
        return database.admin(self.dsn)

    def wired(self, number: int) -> AbstractAsyncContextManager[Wires]:
        """Serve the wires of a seat."""
        names = ("HOSTWINDS_API_URL", "CLOUDFLARE_BASE_URL")
        hostwinds, cloudflare = (self.environment[name] for name in names)
        [socket] = parse_qs(urlsplit(self.dsn).query)["host"]
        directory = self.directory / f"wires-{number}"
        directory.mkdir()
        return wired(directory, Path(socket), (hostwinds, cloudflare))

    def audit_input(self) -> Path:
        """Write what the auditor gets to know: where to look, and what is not ours."""
        path = self.directory / "audit.json"
        given = {
            "installation": INSTALLATION,
            "dsn": self.dsn,
            "hostwinds": self.environment["HOSTWINDS_API_URL"].removesuffix("/cloud/api.php"),
            "cloudflare": self.environment["CLOUDFLARE_BASE_URL"],
            "token": TOKEN,
            "history": str(self.history),
            "foreign": self.foreign,
            "pointers": self.nameserver.pointers,
        }
        path.write_text(json.dumps(given))
        return path


@asynccontextmanager
async def staged(
    *,
    seed: int,
    tenants: int,
    lease: float,
    listed_after: float,
    provisioning: float = PROVISIONING,
    without: Without,
) -> AsyncIterator[Scene]:
    """Start all but reconcilers. Servers are listed `listed_after` seconds after their order.

    For `provisioning` seconds an operation may expect that.
    """
    directory = directories.begin("chaos-reconciler")
    chance = random.Random(seed)  # noqa: S311 - repeatable
    faults = Chance(seed)
    nameserver = MemoryNameserver()
    hostwinds = Account(
        MemoryMachines(),
        nameserver,
        KEY,
        show_after=listed_after,
        chance=faults,
        history=directory / "history.jsonl",
    )
    hostwinds.settings.odd_body = "success_false"
    cloudflare = CloudflareAccount(nameserver, TOKEN, requests=REQUESTS)
    cloudflare.burst = RateLimit(lambda: datetime.now(UTC), REQUESTS, timedelta(seconds=1))
    cloudflare.faults = ChanceFaults(faults)
    database_disk, work_disk = (
        SmallDisk(directory / name, DISK) if CAN_MOUNT else None for name in DISKS
    )
    scene = Scene(
        directory,
        Postgres(directory / directories.POSTGRES),
        chance,
        [Tenant(f"t{number}") for number in range(1, tenants + 1)],
        hostwinds,
        cloudflare,
        nameserver,
        faults,
        Arms(directory / "arms"),
        lease,
        without,
        database_disk,
        work_disk,
    )
    scene.arms.prepare()
    KeyRing.create(scene.key_ring)
    try:
        await asyncio.to_thread(scene.postgres.start)
        await asyncio.to_thread(upgrade, scene.dsn, INSTALLATION, PASSWORDS)
        with psycopg.connect(scene.dsn, autocommit=True) as admin:
            grant_rights(admin, login(Role.JOURNAL))
        with _providers(scene, provisioning), running_api(scene.dsn, directory) as (url, key):
            scene.api = Api(url, key)
            yield scene
            await scene.api.close()
    finally:
        await asyncio.to_thread(scene.postgres.stop)
        directories.remove(directory)


@contextmanager
def _providers(scene: Scene, provisioning: float) -> Iterator[None]:
    hostwinds, cloudflare = scene.hostwinds, scene.cloudflare
    hostwinds.make_profile(PLATFORM.firewall_profile, PORTS)
    for zone in (PLATFORM_ZONE, *(tenant.zone for tenant in scene.tenants)):
        cloudflare.create_zone(zone)
    scene.foreign = _plant(scene)
    with ExitStack() as running:
        running.callback(hostwinds.close)
        servers = serve(hostwinds_app(hostwinds)), serve(cloudflare_app(cloudflare))
        for server in servers:
            running.callback(server.stop)
        scene.environment = _environment(scene, provisioning, *(server.url for server in servers))
        yield


def _plant(scene: Scene) -> dict[str, Any]:
    """Put things of others into both accounts; return them as they are."""
    rid, location = next(iter(PLANS)), LOCATIONS[0]["id"]
    servers = [scene.hostwinds.order(name, rid, location) for name in FOREIGN_SERVERS]
    records = []
    for zone in scene.cloudflare.zones():
        for record in (
            {"type": "A", "name": f"www.{zone['name']}", "content": "203.0.113.9"},
            {"type": "TXT", "name": f"shop.{zone['name']}", "content": '"verify=1"'},
            {
                "type": "A",
                "name": f"other.{zone['name']}",
                "content": "203.0.113.7",
                "comment": FOREIGN_MARK,
            },
        ):
            planted = scene.cloudflare.create(zone["id"], {"ttl": 300, "proxied": False} | record)
            records.append({"zone": zone["id"], **planted})
    shown = [scene.hostwinds.owned(number) for number in servers]
    return {
        "servers": [
            {"id": server.serviceid, "name": server.srvrname, "addresses": list(server.ips)}
            for server in shown
        ],
        "records": records,
    }


def _environment(
    scene: Scene, provisioning: float, hostwinds_url: str, cloudflare_url: str
) -> dict[str, str]:
    directory = scene.directory
    passphrase = directory / "passphrase"
    passphrase.write_text("")
    plugins = {"hostwinds": (VERSION, write_launcher(directory / "plugin"))}

    def url(role: Role) -> str:
        return role_dsn(scene.dsn, login(role), PASSWORDS[role].get_secret_value())

    return {
        **os.environ,
        **find().environment(directory / "home", plugins),
        "PULUMI_BACKEND_URL": url(Role.ENGINE).replace("postgresql://", "postgres://"),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
        "HOSTWINDS_API_URL": f"{hostwinds_url}/cloud/api.php",
        "HOSTWINDS_API_KEY": KEY,
        "HOSTWINDS_JOURNAL": url(Role.JOURNAL),
        "HOSTWINDS_POLL": "0.2",
        "HOSTWINDS_RATE": "50",
        "HOSTWINDS_PORTAL_DEADLINE": "0.5",
        "HOSTWINDS_PROVISIONING_DEADLINE": str(provisioning),
        "HOSTWINDS_SERVER_DEADLINE": "0",
        "HOSTWINDS_END_DEADLINE": "0",
        "CLOUDFLARE_BASE_URL": f"{cloudflare_url}/client/v4",
        "CLOUDFLARE_API_TOKEN": TOKEN,
        "CLOUDFLARE_RATE": "50",
    }
