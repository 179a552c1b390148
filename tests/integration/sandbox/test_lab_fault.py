"""`penguin lab fault` switches the troubles of providers and name servers, or names the mistake."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.routing import Route

from kit.processes import own_identity
from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app as cloudflare_app
from lab.emulator_server import serve
from lab.guest import RESOLVER
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.app import create_app as hostwinds_app
from lab.injection import Injection
from lab.memory import MemoryMachines, MemoryNameserver
from lab.nameserver.server import KnotNameserver
from lab.nameserver.troubles import NameTroubles
from lab.running import RunningLab
from lab.time_server import LIES, TimeServer
from sandbox import local
from tests.support.command_line import run

ZONE = "acme.example"


class RecordedServers:
    """Notes what is done to the name servers of one zone."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def has(self, zone: str) -> bool:
        return zone == ZONE

    def __getattr__(self, name: str) -> Any:
        return lambda *values: self.done.append(" ".join([name, *map(str, values)]))


class Command:
    """Runs `penguin lab fault`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Any:
        assert run("lab", "fault", *arguments) == 0
        return json.loads(self._capsys.readouterr().out)

    def refused(self, *arguments: str) -> str:
        assert run("lab", "fault", *arguments) == 1
        printed = self._capsys.readouterr()
        assert printed.out == ""
        return printed.err


@pytest.fixture
def fault(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def servers() -> RecordedServers:
    return RecordedServers()


@pytest.fixture
def cloudflare() -> CloudflareAccount:
    return CloudflareAccount(MemoryNameserver(), "t" * 40)


@pytest.fixture
def hostwinds() -> Iterator[HostwindsAccount]:
    account = HostwindsAccount(MemoryMachines(), MemoryNameserver(), "key")
    yield account
    account.close()


@pytest.fixture
def time_server() -> Iterator[TimeServer]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        yield TimeServer(stream)


@pytest.fixture(autouse=True)
def lab(
    cloudflare: CloudflareAccount,
    hostwinds: HostwindsAccount,
    servers: RecordedServers,
    time_server: TimeServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RunningLab]:
    """A lab of this process, whose name servers are recorded."""
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path))
    names = cloudflare_app(cloudflare)
    names.router.routes.append(NameTroubles(cast("KnotNameserver", servers)).route())
    registry = Injection("denied")
    names.router.routes.append(
        Route("/_lab/registry", registry.endpoint, methods=["GET", "POST", "DELETE"])
    )
    provider = hostwinds_app(hostwinds)
    provider.router.routes.append(time_server.route())
    running = serve(provider), serve(names)
    lab = RunningLab(
        process=own_identity(),
        level="hosts",
        hostwinds_url=running[0].url,
        hostwinds_key="key",
        cloudflare_url=running[1].url,
        cloudflare_token="t" * 40,
        resolver=RESOLVER,
        registry="https://198.18.0.2:443",
        time_server="198.18.0.2",
    )
    local.lab_dir().mkdir()
    lab.write(local.lab_dir())
    yield lab
    for server in running:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "begun", "ended"),
    [
        (["lag", "--zone", ZONE, "--seconds", "7"], f"set_lag {ZONE} 7.0", f"set_lag {ZONE} 0"),
        (["servfail", "--zone", ZONE], f"expire {ZONE}", f"load {ZONE}"),
        (["undelegated", "--zone", ZONE], f"undelegate {ZONE}", f"delegate {ZONE}"),
        (["bogus", "--zone", ZONE], f"set_ds {ZONE} ['4711 ", f"set_ds {ZONE} []"),
        (["lame", "--zone", ZONE], "replace example lame.example A", f"set_servers {ZONE}"),
        (["nameless", "--zone", ZONE], f"set_servers {ZONE}", f"set_servers {ZONE}"),
        (["alias_pointers"], "alias_pointers True", "alias_pointers False"),
        (["caches"], "keep_answers True", "keep_answers False"),
        (["dead"], "detach 198.18.0.55", "attach 198.18.0.55"),
        (["no_tcp"], "close_tcp", "open_tcp"),
    ],
)
def test_trouble_of_name_servers_lasts_until_it_is_cleared(
    fault: Command, servers: RecordedServers, arguments: list[str], begun: str, ended: str
) -> None:
    zone = ZONE if "--zone" in arguments else None
    active = [{"fault": arguments[0], "zone": zone}]
    assert fault("dns", *arguments) == active
    assert servers.done[0].startswith(begun)
    assert fault("dns", *arguments) == active
    assert fault("dns", "clear") == []
    assert servers.done[-1].startswith(ended)


def test_zone_that_is_signed_stays_signed(fault: Command, servers: RecordedServers) -> None:
    assert fault("dns", "signed", "--zone", ZONE) == []
    assert servers.done == [f"sign {ZONE}"]


def test_fault_of_a_provider_lasts_for_some_requests(
    fault: Command, cloudflare: CloudflareAccount, hostwinds: HostwindsAccount
) -> None:
    assert fault("cloudflare", "slow", "--times", "2") == {"slow": 2}
    assert fault("hostwinds", "late_error") == {"late_error": 1}
    assert cloudflare.faults.active() == {"slow": 2}
    assert fault("hostwinds", "clear") == hostwinds.faults.active() == {}


def test_fault_of_the_registry_lasts_for_some_requests(fault: Command) -> None:
    assert fault("registry", "denied", "--times", "2") == {"denied": 2}
    assert fault("registry", "clear") == {}


def test_time_server_lies_until_it_is_cleared(fault: Command, time_server: TimeServer) -> None:
    assert fault("time", LIES, "--times", "-1") == {LIES: -1}
    assert time_server.faults.active() == {LIES: -1}
    assert fault("time", "clear") == time_server.faults.active() == {}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["dns", "slow"], "slow is not a trouble; use one of: alias_pointers, bogus, caches, dead"),
        (["dns", "bogus"], "bogus needs a zone"),
        (["dns", "bogus", "--zone", "none.example"], "there is no zone none.example"),
        (["dns", "lag", "--zone", ZONE], "lag needs seconds"),
        (["dns", "lag", "--zone", ZONE, "--seconds", "nan"], '--seconds cannot be "nan"'),
        (["dns", "lag", "--zone", ZONE, "--seconds", "-1"], "lag needs seconds"),
        (["cloudflare", "late_error"], "late_error is not a fault; use one of: dropped, "),
        (["hostwinds", "slow", "--zone", ZONE], "hostwinds has no zone and no seconds"),
        (["cloudflare", "slow", "--times", "0"], "times is a number of requests, or -1"),
        (["hostwinds", "slow", "--times", "-2"], "times is a number of requests, or -1"),
        (["registry", "slow"], "slow is not a fault; use one of: denied"),
        (["time", "slow"], "slow is not a fault; use one of: lies_by_an_hour, silent"),
        (["mail", "slow"], "mail is not in this lab"),
    ],
)
def test_mistake_is_named_and_nothing_is_switched(
    fault: Command, servers: RecordedServers, arguments: list[str], named: str
) -> None:
    assert named in fault.refused(*arguments)
    assert servers.done == []


def test_lab_without_hosts_has_its_providers_only(fault: Command, lab: RunningLab) -> None:
    absent = {"resolver": None, "registry": None, "time_server": None}
    lab.model_copy(update=absent).write(local.lab_dir())
    for part in ("dns", "registry", "time"):
        assert f"{part} is not in this lab" in fault.refused(part, "denied")
