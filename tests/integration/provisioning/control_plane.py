"""A control plane over the real engine and both emulators, with the command line in front of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from composition.listening import listen
from composition.phases import REWRITING, ROWS
from controlplane.app import create_app
from controlplane.conditions.failures import FailureThreshold
from controlplane.database import OPERATOR, Database
from controlplane.hostwinds.firewall_look import FirewallLook
from controlplane.hostwinds.servers import HostwindsServers
from controlplane.identity.keys import NewKey, Scope, create_key
from controlplane.identity.repository import add_key
from controlplane.reconciler.loop import Reconciler
from controlplane.reconciler.metrics import Metrics
from controlplane.reconciler.phase import AnyPhase
from controlplane.reconciler.phases.cloud import Cloud
from controlplane.reconciler.phases.dns import Dns
from controlplane.reconciler.phases.keys import Keys
from controlplane.reconciler.ports import Configurator, Verifier
from controlplane.service import serve_http
from controlplane.settings import ReconcilerSettings
from tests.support.command_line import run
from tests.support.installation import INSTALLATION, NO_REGISTRY, PASSWORDS, PLATFORM
from tests.support.memory_internet import MemoryInternet
from tests.support.phases import checks_of, standard
from tests.support.pulumi_engine import pulumi_engine
from tests.support.waiting import SECONDS
from vault import KeyRing, Vault

T = TypeVar("T")
PEPPER = b"pepper"
FILE = """
apiVersion: penguinmails.dev/v1
kind: Tenant
metadata: {name: acme}
spec:
  plan: business
  region: us-west
  hosts: [{name: mx1, size: business, addresses: 1, zone: acme.example}]
  domains: [{name: acme.example, dns: cloudflare}]
  sending: {postal_address: Springfield}
"""
PASS_SECONDS = 600
"""Limit of a pass in these tests."""


@dataclass(frozen=True)
class CommandOutput:
    """Status and output of a command."""

    status: int
    out: str
    err: str


class ControlPlane:
    """One control plane. Its dependencies may be changed between two passes."""

    def __init__(self, dsn: str, environment: dict[str, str], directory: Path) -> None:
        self.dsn = dsn
        self.environment = {**environment, "HOSTWINDS_JOURNAL": dsn}
        self.platform = PLATFORM
        self.configurator: Configurator | None = None
        self.verifier: Verifier = MemoryInternet()
        self.threshold = FailureThreshold()
        self.firewall = FirewallLook(self.environment, clock=lambda: self.clock().timestamp())
        self.root_password: Callable[[int], str | None] = lambda _: None
        self.log: list[Any] = []
        self.settings = ReconcilerSettings()
        self.metrics = Metrics()
        self.file = directory / "acme.yaml"
        self.rows = list(ROWS)
        self._added_phases: list[AnyPhase] = []
        self._directory = directory
        self._vault = Vault(KeyRing.create(directory / "keys"))
        self._offset = timedelta()

    def clock(self) -> datetime:
        """Return the time, which advances before every pass."""
        return datetime.now(UTC) + self._offset

    def reconcile(self) -> None:
        """Advance the clock by an hour and run what is due then."""
        self._offset += timedelta(hours=1)
        with psycopg.connect(self.dsn) as admin:  # the pause of a refused account is over, too
            admin.execute("update oltp.account_troubles set until = until - interval '1 hour'")
        self.run(self.reconciler().step("test", asyncio.Event()))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the control plane's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PASS_SECONDS)

    @property
    def database(self) -> Database:
        """The connection pools, for use in the control plane's event loop."""
        return self._database

    def add(self, phase: AnyPhase) -> None:
        """Add a phase after the standard ones."""
        self.rows.append(phase.row)
        self._added_phases.append(phase)

    def reconciler(self) -> Reconciler:
        """Create a reconciler of the current parts; without a configurator, `dns` is last."""
        engine = pulumi_engine(self.environment, self._directory / "operations")
        servers = HostwindsServers(self.environment)
        listing = servers.listed()  # no sweep runs
        servers.use(None if listing is None else listing.main_ips)
        phases: list[AnyPhase] = [
            Keys(),
            Cloud(engine, servers, firewall=self.firewall, deadline=timedelta(minutes=5)),
            Dns(checks_of(self.verifier), self.threshold, REWRITING.reasons),
        ]
        if self.configurator is not None:
            phases = standard(
                engine,
                self.verifier,
                self.configurator,
                servers=servers,
                root_password=self.root_password,
            )
        return Reconciler(
            database=self._database,
            vault=self._vault,
            platform=self.platform,
            phases=[*phases, *self._added_phases],
            settings=self.settings,
            clock=self.clock,
            metrics=self.metrics,
        )

    @contextmanager
    def serving(self) -> Iterator[tuple[str, NewKey]]:
        """Serve the API in a thread; yield its address and an operator's key."""
        key, listener, ready = create_key(PEPPER), listen("127.0.0.1", 0), threading.Event()
        stop = asyncio.Event()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._database = Database.connect(self.dsn, INSTALLATION, PASSWORDS, pool_size=3)
            async with self._database.begin(OPERATOR) as connection:
                await add_key(
                    connection, key, tenant_id=None, scopes=tuple(Scope), now=self.clock()
                )
            app = create_app(
                database=self._database,
                platform=PLATFORM,
                pepper=PEPPER,
                clock=self.clock,
                phases=self.rows,
                images=NO_REGISTRY,
            )
            await serve_http(app, listener, stop, ready.set)
            await self._database.close()

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            assert ready.wait(SECONDS)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", key
        finally:
            self._loop.call_soon_threadsafe(stop.set)
            thread.join(SECONDS)


class CommandLine:
    """Runs `penguin` and checks that its output has no traceback."""

    def __init__(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._file = file
        self._capsys = capsys

    def __call__(self, *arguments: str) -> CommandOutput:
        """Run `penguin`."""
        self._capsys.readouterr()
        code = run(*arguments)
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return CommandOutput(code, captured.out, captured.err)

    def apply(self, document: str) -> None:
        """Apply a tenant's document."""
        self._file.write_text(document)
        applied = self("apply", "-f", str(self._file))
        assert applied.status == 0, applied.err

    def condition(self, type_: str, subject: str = "tenant") -> dict[str, Any]:
        """Return a condition, which must not be true."""
        shown = json.loads(self("get", "tenant", "acme", "-o", "json").out)
        [condition] = [
            c for c in shown["conditions"] if (c["subject"], c["type"]) == (subject, type_)
        ]
        assert condition["status"] != "True"
        return dict(condition)

    def last_operation(self) -> dict[str, Any]:
        """Return the newest operation."""
        listed = self("get", "operations", "--tenant", "acme", "-o", "json").out
        return dict(json.loads(listed)[0])
