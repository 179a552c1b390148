"""The product's passes and API on a real database, and what is outside, in memory."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
import psycopg
from fastapi import FastAPI
from sqlalchemy import text

from blueprint.naming import tenant_of
from composition.phases import ROWS
from controlplane.app import create_app
from controlplane.conditions.failures import FailureThreshold
from controlplane.database import CONTROLLER, OPERATOR, Database
from controlplane.hostwinds.servers import HostwindsServers
from controlplane.identity.keys import Scope, create_key
from controlplane.identity.repository import add_key
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.sweep import Sweep
from controlplane.settings import ReconcilerSettings
from hostwinds.journal.postgres import PostgresJournal
from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app as cloudflare_app
from lab.cloudflare.limits import RateLimit
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.app import create_app as hostwinds_app
from lab.hostwinds.catalogue import LOCATIONS, PLANS
from lab.hostwinds.server import Server
from lab.memory import MemoryMachines, MemoryNameserver
from tests.chaos.model.ends import Ends, WatchedDatabase
from tests.chaos.model.engine import SteppingEngine
from tests.chaos.model.outside import Hosts, Internet
from tests.support.emulator import Emulator
from tests.support.installation import INSTALLATION, NO_REGISTRY, PASSWORDS, PLATFORM
from tests.support.memory_configurator import PASSWORD
from tests.support.phases import standard
from tests.support.points import killed
from vault import KeyRing, Vault

KEY, TOKEN = "key", "lab-token-of-forty-characters-0123456789"
PEPPER = b"pepper"
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
REQUESTS = 1_000_000
"""Of Cloudflare's API: how its limit is kept is not what is tried here."""
PORTS = [22, 25, 80, 443, 465, 587, 993]
ZONES = ("a.example", "b.example", "shared.example", PLATFORM.zone)
FOREIGN_SERVERS = ("shop-db", "k3f9b-a-mx1-3f9a2c71be")
LISTED_AFTER = 90.0
"""Seconds from an order until the server is listed."""
AT_ONCE = FailureThreshold(looks=2, period=timedelta())
"""By the database's clock, which this world does not advance."""
MOST_PASSES = 60
"""Between two looks of the person: more means that passes request each other for ever."""


AGE = """
with purchases as (
    update purchase.intents set opened_at = opened_at - %(by)s, ending_at = ending_at - %(by)s
    where closed_at is null
)
update oltp.account_troubles set until = until - %(by)s
"""


class Unlimited:
    """A limiter that lets everything pass."""

    def wait(self) -> None:
        """Do not wait."""


class RecordingAccount(HostwindsAccount):
    """An account that notes what was bought and ended, and boots at once."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.history: list[tuple[str, str, int]] = []
        """What happened to the server of which name and number, in its order."""
        self.on_end: Callable[[str], None] = lambda _: None
        """Called with the name of a server that the API ends."""
        self.frozen: set[str] = set()
        """What operators have frozen."""
        self.unfrozen: list[str] = []
        """What was done all the same."""

    def order(self, name: str, *others: Any, **named: Any) -> int:
        """Sell a server."""
        number = super().order(name, *others, **named)
        if number in self._servers:
            self.history.append(("bought", name, number))
            if "purchases" in self.frozen:
                self.unfrozen.append(f"{name} was bought, and purchases are frozen")
        return number

    def begin(self, server: Server) -> None:
        """Boot a server, and return when it has."""
        super().begin(server)
        server.wait_for_boot()

    def end(self, service_id: int, *, event: str = "ended") -> None:
        """End a server."""
        if service_id in self._servers:
            name = self._servers[service_id].srvrname
            self.history.append((event, name, service_id))
            if event == "ended":
                self.on_end(name)
                if "destruction" in self.frozen:
                    self.unfrozen.append(f"{name} was ended, and destruction is frozen")
        super().end(service_id)


class World:
    """Everything of one run; times are of its own clock, which only `pass_time` advances."""

    def __init__(
        self,
        dsn: str,
        emulators: tuple[Emulator, Emulator],
        seed: int,
        exercised: Counter[str],
    ) -> None:
        self.dsn = dsn
        self.ends = Ends(exercised)
        self.seconds = 0.0
        self.nameserver = MemoryNameserver()
        self.hostwinds = RecordingAccount(
            MemoryMachines(), self.nameserver, KEY, clock=self.elapsed, show_after=LISTED_AFTER
        )
        self.cloudflare = CloudflareAccount(self.nameserver, TOKEN, requests=REQUESTS)
        self.cloudflare.burst = RateLimit(lambda: datetime.now(UTC), REQUESTS, timedelta(seconds=1))
        emulators[0].app, emulators[1].app = (
            hostwinds_app(self.hostwinds),
            cloudflare_app(self.cloudflare),
        )
        self.environment = {
            "HOSTWINDS_API_URL": f"{emulators[0].url}/cloud/api.php",
            "HOSTWINDS_API_KEY": KEY,
            "HOSTWINDS_JOURNAL": dsn,
            "CLOUDFLARE_BASE_URL": f"{emulators[1].url}/client/v4",
            "CLOUDFLARE_API_TOKEN": TOKEN,
        }
        self.settled: defaultdict[str, set[str]] = defaultdict(set)
        """Hosts by tenant that documents have wanted since the tenant was Ready."""
        self.destroyed: list[str] = []
        """Servers of these that were ended all the same."""
        self.forgotten: list[str] = []
        """Names of servers that may be bought again."""
        self.hostwinds.on_end = self._note_end
        self.journal = PostgresJournal(dsn)
        self.journal.now()  # makes its tables
        self.engine = SteppingEngine(
            self.environment,
            self.ends,
            random.Random(seed),  # noqa: S311 - repeatable
            self._advance,
            self._age,
        )
        self.servers = HostwindsServers(self.environment, clock=self.elapsed)
        self.hosts = Hosts(self.hostwinds, self.ends)
        self.internet = Internet(self)
        self.database: Database
        self.api: httpx2.AsyncClient
        self.foreign = self._plant()
        self._phases: list[AnyPhase] = standard(
            self.engine,
            self.internet,
            self.hosts,
            servers=self.servers,
            root_password=lambda _: PASSWORD,
            threshold=AT_ONCE,
        )
        self._vault: Vault

    def _note_end(self, name: str) -> None:
        tenant = tenant_of(name, INSTALLATION)
        hosts = self.settled[tenant or ""]
        if any(name.startswith(f"{INSTALLATION}-{tenant}-{host}-") for host in hosts):
            self.destroyed.append(f"{name} was ended, and its document wants it")

    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return self.seconds

    def clock(self) -> datetime:
        """Return the time."""
        return START + timedelta(seconds=self.seconds)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self._advance(seconds)
        self._age(seconds)

    def _advance(self, seconds: float) -> None:
        self.seconds += seconds

    def _age(self, seconds: float) -> None:
        """Let open purchases, and refusals of the account, be older: the database dates them."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(AGE, {"by": timedelta(seconds=seconds)})

    @asynccontextmanager
    async def running(self, directory: Path) -> AsyncIterator[None]:
        """Connect the control plane."""
        self.database = Database.connect(self.dsn, INSTALLATION, PASSWORDS, pool_size=3)
        self._vault = Vault(KeyRing.create(directory / "keys"))
        app = create_app(
            database=self.database,
            platform=PLATFORM,
            pepper=PEPPER,
            clock=self.clock,
            phases=ROWS,
            images=NO_REGISTRY,
        )
        try:
            async with await self._client(app) as self.api:
                yield
        finally:
            await self.database.close()
            self.hostwinds.close()

    async def _client(self, app: FastAPI) -> httpx2.AsyncClient:
        key = create_key(PEPPER)
        async with self.database.begin(OPERATOR) as connection:
            await add_key(connection, key, tenant_id=None, scopes=tuple(Scope), now=self.clock())
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),
            base_url="http://penguin/api/v1",
            headers={"Authorization": f"Bearer {key.secret}"},
        )

    def reconciler(self) -> Reconciler:
        """Return a reconciler as a process has it that has just begun."""
        return Reconciler(
            database=WatchedDatabase(self.database, self.ends),
            vault=self._vault,
            platform=PLATFORM,
            phases=self._phases,
            settings=ReconcilerSettings(),
            clock=self.clock,
            rng=random.Random(7),  # noqa: S311 - jitter
        )

    async def sweep(self) -> None:
        """List the account."""
        database = WatchedDatabase(self.database, self.ends)
        await Sweep(database, self.servers, self.clock, pause=timedelta()).look()

    async def work(self, passes: int = MOST_PASSES) -> int:
        """Let a new reconciler list the account and make passes that are due; return how many."""
        await self.sweep()
        reconciler, stop = self.reconciler(), asyncio.Event()
        for count in range(passes):
            if not await reconciler.step("model", stop):
                return count
        return passes

    async def work_until_killed(self, passes: int) -> list[str]:
        """Work; a process that is killed is followed by another one, which has its leases.

        Returns what has ended.
        """
        with self.ends.working() as ended:
            try:
                await self.work(passes)
            except BaseException as error:
                if not killed().matches(error):
                    raise
        if ended:
            await self.end_leases()
        return ended

    async def end_leases(self) -> None:
        """Let the leases of dead processes have ended."""
        self.engine.running.clear()
        async with self.database.begin(CONTROLLER) as connection:
            await connection.execute(
                text("update oltp.schedule set lease_until = 'epoch' where lease_until is not null")
            )
            await connection.execute(
                text("update oltp.sweeps set lease_until = 'epoch' where lease_until is not null")
            )

    def rows(self, statement: str, *values: object) -> list[Any]:
        """Return rows of the database."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(statement, values or None).fetchall()

    def ours(self) -> list[Server]:
        """Return the servers that are not of others, in their order."""
        foreign = {server["serviceid"] for server in self.foreign["servers"]}
        return [one for one in self.hostwinds.all_servers() if one.serviceid not in foreign]

    def records(self) -> list[tuple[str, dict[str, Any]]]:
        """Return all records, with the ids of their zones."""
        return [
            (str(zone["id"]), dict(record))
            for zone in self.cloudflare.zones()
            for record in self.cloudflare.records(str(zone["id"]))
        ]

    def marked(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the records with our mark."""
        mark = f"pm:{INSTALLATION}:"
        return [pair for pair in self.records() if str(pair[1].get("comment")).startswith(mark)]

    def _plant(self) -> dict[str, Any]:
        """Put things of others into both accounts; return them as they are."""
        self.hostwinds.make_profile(PLATFORM.firewall_profile, PORTS)
        for zone in ZONES:
            self.cloudflare.create_zone(zone)
        rid, location = next(iter(PLANS)), LOCATIONS[0]["id"]
        for name in FOREIGN_SERVERS:
            self.hostwinds.order(name, rid, location)
        for zone_body in self.cloudflare.zones():
            name = zone_body["name"]
            for record in (
                {"type": "A", "name": f"www.{name}", "content": "203.0.113.9"},
                {"type": "TXT", "name": f"{name}", "content": '"verify=1"'},
                {
                    "type": "A",
                    "name": f"other.{name}",
                    "content": "203.0.113.7",
                    "comment": "pm:k3f9b:a:mx1-1/A",
                },
            ):
                self.cloudflare.create(
                    str(zone_body["id"]), {"ttl": 300, "proxied": False} | record
                )
        return {
            "servers": [
                {"serviceid": one.serviceid, "srvrname": one.srvrname, "ips": list(one.ips)}
                for one in self.hostwinds.all_servers()
            ],
            "records": self.records(),
        }


@contextmanager
def quick() -> Iterator[None]:
    """Let nobody wait for a turn at a provider."""
    with ExitStack() as stack:
        for name, value in (
            ("hostwinds.client.limiter_from_environment", lambda *_, **__: Unlimited()),
            ("hostwinds.client.FIRST_PAUSE", 0),
            ("stacks.cloudflare_api.wait_for_turn", lambda *_: True),
            ("stacks.cloudflare_api.RETRY_SECONDS", 0),
        ):
            stack.enter_context(patch(name, value))
        yield
