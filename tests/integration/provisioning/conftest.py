"""Both emulators, the real engine, and the blueprint of the tenant that the README uses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import structlog

from blueprint.document import Blueprint
from controlplane.pulumi.engine import PROJECT_FILE, PulumiEngine
from hostwinds import VERSION
from hostwinds.plugin import write_launcher
from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app as cloudflare_app
from lab.emulator_server import serve
from lab.hostwinds.account import POOL, HostwindsAccount
from lab.hostwinds.app import create_app as hostwinds_app
from lab.memory import MemoryMachines, MemoryNameserver
from tests.support.installation import PLATFORM
from tests.support.pulumi_engine import pulumi_engine
from tests.support.tenants import rendered, tenant
from tools.pulumi.engine import Engine, find

from .control_plane import CommandLine, ControlPlane

TOKEN = "lab-token-of-forty-characters-0123456789"
ZONES = ("acme.example", "penguinmails.example")


@dataclass(frozen=True)
class Cloud:
    """The emulated providers and their environment."""

    hostwinds: HostwindsAccount
    cloudflare: CloudflareAccount
    nameserver: MemoryNameserver
    environment: dict[str, str]

    def bought(self) -> list[str]:
        """Return the kinds of everything that was bought."""
        return [str(entry["kind"]) for entry in self.hostwinds.ledger]

    def sell_addresses(self, count: int) -> None:
        """Attach addresses to the first server, as an operator does in the provider's portal."""
        for _ in range(count):
            self.hostwinds.attach(next(iter(self.hostwinds.all_servers())).serviceid)


@pytest.fixture(scope="session")
def engine() -> Engine:
    return find()


@pytest.fixture
def first_address() -> IPv4Address:
    """The first address that the provider sells."""
    return POOL


@pytest.fixture
def cloud(tmp_path: Path, first_address: IPv4Address) -> Iterator[Cloud]:
    nameserver = MemoryNameserver()
    hostwinds = HostwindsAccount(
        MemoryMachines(), nameserver, "key", show_after=0.1, first_address=first_address
    )
    hostwinds.make_profile(PLATFORM.firewall_profile, [22, 25, 80, 443, 465, 587, 993])
    cloudflare = CloudflareAccount(nameserver, TOKEN)
    for zone in ZONES:
        cloudflare.create_zone(zone)
    servers = serve(hostwinds_app(hostwinds)), serve(cloudflare_app(cloudflare))
    hostwinds_server, cloudflare_server = servers
    yield Cloud(
        hostwinds,
        cloudflare,
        nameserver,
        {
            "HOSTWINDS_API_URL": f"{hostwinds_server.url}/cloud/api.php",
            "HOSTWINDS_API_KEY": "key",
            "HOSTWINDS_JOURNAL": str(tmp_path / "journal.json"),
            "HOSTWINDS_POLL": "0.1",
            "HOSTWINDS_RATE": "100",
            "HOSTWINDS_PORTAL_DEADLINE": "0.5",
            "CLOUDFLARE_BASE_URL": f"{cloudflare_server.url}/client/v4",
            "CLOUDFLARE_API_TOKEN": TOKEN,
            "CLOUDFLARE_RATE": "100",
        },
    )
    for server in servers:
        server.stop()
    hostwinds.close()


def backend(state: Path) -> str:
    """Return the URL of a state in files.

    The file store does not write its metadata files atomically, and tests kill engines: a state
    with an incomplete metadata file cannot be loaded ("EOF").
    """
    return f"file://{state}?metadata=skip"


@pytest.fixture(scope="session")
def new_stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state whose stack `acme` is still empty: an engine makes one in a third of a second."""
    directory, own = tmp_path_factory.mktemp("new"), find()
    (directory / "Pulumi.yaml").write_text(PROJECT_FILE)
    (directory / "passphrase").write_text("")
    (state := directory / "state").mkdir()
    subprocess.run(
        [own.root / "bin" / "pulumi", "stack", "init", "acme"],
        cwd=directory,
        env={
            **own.environment(directory / "home"),
            "PULUMI_BACKEND_URL": backend(state),
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(directory / "passphrase"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return state


@pytest.fixture
def state(new_stack: Path, tmp_path: Path) -> Path:
    """The state of a test in files."""
    return shutil.copytree(new_stack, tmp_path / "state")


@pytest.fixture
def environment(engine: Engine, cloud: Cloud, state: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of an operation."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("")
    plugins = {"hostwinds": (VERSION, write_launcher(tmp_path / "plugin"))}
    return {
        **os.environ,
        **engine.environment(tmp_path / "home", plugins),
        **cloud.environment,
        "PULUMI_BACKEND_URL": backend(state),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
    }


@pytest.fixture
def blueprint() -> Blueprint:
    return rendered(tenant("mx1@acme.example*2", domains="acme.example"))


@pytest.fixture
def control_plane(
    upgraded: str,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ControlPlane]:
    """A control plane that the command line uses."""
    running = ControlPlane(upgraded, environment, tmp_path)
    with structlog.testing.capture_logs() as running.log, running.serving() as (url, key):
        monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path / "operator"))
        monkeypatch.setenv("PENGUIN_API_URL", url)
        monkeypatch.setenv("PENGUIN_API_KEY", key.secret)
        yield running


@pytest.fixture
def penguin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "acme.yaml", capsys)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The directory of the engine's operations."""
    return tmp_path / "operations"


@pytest.fixture
def cloud_engine(environment: dict[str, str], root: Path) -> PulumiEngine:
    return pulumi_engine(environment, root)
