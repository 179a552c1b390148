"""What an operation of the control plane does at Cloudflare by a plugin, ours or Pulumi's own."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest
from starlette.types import Receive, Scope, Send

from blueprint.document import Blueprint
from controlplane.pulumi.engine import PulumiEngine
from controlplane.pulumi.job import MARK
from hostwinds.faults import SUPERSEDED
from hostwinds.journal.file import FileJournal
from kit.launchers import write_launcher
from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app
from lab.emulator_server import serve
from tests.support.faults import fault_shown
from tests.support.installation import INSTALLATION
from tests.support.processes import PROC, children, command, is_engine, suspended, tree
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import rendered, tenant
from tools.pulumi.engine import Engine, find, gateway_to
from tools.pulumi.parts import CLOUDFLARE_VERSION, Kind, Part

from .conftest import TOKEN, Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=10)
FENCE = f"{INSTALLATION}/acme"
OF_THE_STATE = {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"}
OF_A_PLUGIN = re.compile(r"(GET|DELETE) .*/dns_records/[0-9a-f]{32}")
"""A request for one record: the program itself lists zones, and changes a record by PATCH."""


@pytest.fixture(params=["the stand-in", "pulumi's own"], autouse=True)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An engine with the plugin of this machine, or one that behaves as Pulumi's own."""
    if request.param == "the stand-in":
        return find()
    path = write_launcher(tmp_path / "official", "tests.support.official_plugin")
    part = Part("pulumi-resource-cloudflare", CLOUDFLARE_VERSION, Kind.OFFICIAL, path)
    return replace(find(), cloudflare=part, gateway=gateway_to(part))


@dataclass
class Watched:
    """Cloudflare, before which a test acts once, when a plugin reads or deletes a record."""

    cloud: Cloud
    act: Callable[[], None] = lambda: None
    acted: bool = False
    tokens: set[str] = field(default_factory=set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        self.tokens.add(dict(scope["headers"]).get(b"authorization", b"").decode())
        if not self.acted and OF_A_PLUGIN.fullmatch(f"{scope['method']} {scope['path']}"):
            self.acted = True
            await asyncio.to_thread(self.act)
        await create_app(self.cloud.cloudflare)(scope, receive, send)


@pytest.fixture
def cloudflare(cloud: Cloud) -> Iterator[Watched]:
    watched = Watched(cloud)
    server = serve(watched)
    cloud.environment["CLOUDFLARE_BASE_URL"] = f"{server.url}/client/v4"
    yield watched
    server.stop()


@pytest.fixture
def cloud_engine(cloudflare: Watched, environment: dict[str, str], tmp_path: Path) -> PulumiEngine:
    address = cloudflare.cloud.environment["CLOUDFLARE_BASE_URL"]
    return pulumi_engine({**environment, "CLOUDFLARE_BASE_URL": address}, tmp_path / "operations")


def operation() -> list[int]:
    """Return the processes of the running operation: its own, the engine, its plugins."""
    own = next(pid for pid in tree(os.getpid()) if any(map(is_engine, children(pid))))
    return list(tree(own))


@dataclass(frozen=True)
class Zone:
    """The zone of the tenant."""

    account: CloudflareAccount
    id: str

    def records(self) -> list[tuple[str, str, str]]:
        """Return what exists."""
        return sorted((r["name"], r["type"], r["content"]) for r in self.account.records(self.id))

    def delete(self, type_: str) -> None:
        """Delete the records of a type, as another person does."""
        for record in self.account.records(self.id):
            if record["type"] == type_:
                self.account.delete(self.id, record["id"])


@pytest.fixture
def zone(cloud: Cloud) -> Zone:
    [found] = [zone for zone in cloud.cloudflare.zones() if zone["name"] == "acme.example"]
    return Zone(cloud.cloudflare, found["id"])


@pytest.fixture
def blueprint() -> Blueprint:
    """With one address, so that nothing waits for the provider's portal."""
    return rendered(tenant("mx1@acme.example", domains="acme.example"))


@pytest.mark.parametrize("sleeps", [False, True])
def test_plugin_of_an_operation_that_is_overtaken_writes_no_record(
    cloud_engine: PulumiEngine,
    blueprint: Blueprint,
    cloudflare: Watched,
    zone: Zone,
    sleeps: bool,
) -> None:
    """Also one that slept meanwhile, and notices nothing of it."""
    cloud_engine.up(blueprint, print, deadline=DEADLINE, fence=2)
    complete = zone.records()
    zone.delete("MX")  # of these, the program itself writes none
    before = zone.records()
    journal = FileJournal(Path(cloudflare.cloud.environment["HOSTWINDS_JOURNAL"]))

    def overtake() -> None:
        with suspended(*operation()) if sleeps else nullcontext():
            journal.raise_fence(FENCE, 4)

    cloudflare.act, cloudflare.acted = overtake, False
    with fault_shown(SUPERSEDED, name=FENCE):
        cloud_engine.up(blueprint, print, deadline=DEADLINE, fence=3, refreshed=True)

    assert zone.records() == before != complete
    cloud_engine.up(blueprint, print, deadline=DEADLINE, fence=5, refreshed=True)
    assert zone.records() == complete


def test_token_of_cloudflare_stays_in_the_process_of_the_operation(
    cloud_engine: PulumiEngine, blueprint: Blueprint, cloudflare: Watched
) -> None:
    cloud_engine.up(blueprint, print, deadline=DEADLINE)
    cloudflare.tokens = set()
    processes = seen_during(lambda: refresh(cloud_engine, blueprint), cloudflare)
    assert len(processes) >= 2
    assert not [one for one in processes if TOKEN in one.text]
    assert cloudflare.tokens == {f"Bearer {TOKEN}"}


def refresh(engine: PulumiEngine, blueprint: Blueprint) -> None:
    engine.up(blueprint, print, deadline=DEADLINE, fence=3, refreshed=True)


def destroy(engine: PulumiEngine, blueprint: Blueprint) -> None:
    engine.destroy(blueprint.tenant, print, deadline=DEADLINE, fence=3)


@pytest.mark.parametrize("act", [refresh, destroy])
def test_processes_of_an_operation_inherit_only_what_they_need(
    cloud_engine: PulumiEngine,
    blueprint: Blueprint,
    cloudflare: Watched,
    engine: Engine,
    act: Callable[[PulumiEngine, Blueprint], None],
) -> None:
    cloud_engine.up(blueprint, print, deadline=DEADLINE, fence=2)
    _, pulumi, *plugins = seen_during(lambda: act(cloud_engine, blueprint), cloudflare)
    assert pulumi.names.issuperset(OF_THE_STATE)
    assert len(plugins) == (engine.cloudflare.kind is Kind.OFFICIAL)
    for process in (pulumi, *plugins):
        assert MARK in process.names
        assert not [name for name in process.names if name.startswith("HOSTWINDS_")]
        assert cloudflare.cloud.environment["HOSTWINDS_JOURNAL"] not in process.text
    for plugin in plugins:
        assert OF_THE_STATE.isdisjoint(plugin.names)


@dataclass(frozen=True)
class Process:
    """What everyone who may read /proc sees of a process."""

    text: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read the arguments and variables of a process."""
        return cls((command(pid) + (PROC / str(pid) / "environ").read_bytes()).decode())

    @property
    def names(self) -> set[str]:
        """Return the names of its variables."""
        return {part.partition("=")[0] for part in self.text.split("\0") if "=" in part}


def seen_during(act: Callable[[], None], cloudflare: Watched) -> list[Process]:
    """Return the processes of an operation while its plugin works: its own one first."""
    seen: list[Process] = []
    cloudflare.act = lambda: seen.extend(map(Process.of, operation()))
    cloudflare.acted = False
    act()
    return seen
