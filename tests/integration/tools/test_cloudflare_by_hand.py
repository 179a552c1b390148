"""`pulumi up` by hand with Cloudflare records, with this machine's parts of Pulumi."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.launchers import write_launcher
from lab.cloudflare.account import CloudflareAccount
from lab.cloudflare.app import create_app
from lab.emulator_server import serve
from lab.memory import MemoryNameserver
from tools.pulumi.engine import Engine, find, gateway_to
from tools.pulumi.parts import CLOUDFLARE_VERSION, Kind, Part

pytestmark = pytest.mark.engine

TOKEN = "t" * 40
PROGRAM = """
import json, pathlib
import pulumi

look_up = {"filter": {"name": "acme.example"}}
zone = pulumi.runtime.invoke("cloudflare:index/getZone:getZone", look_up).value
for key, record in json.loads(pathlib.Path("records.json").read_text()).items():
    options = pulumi.ResourceOptions(import_=record.pop("import_", None))
    token, properties = "cloudflare:index/dnsRecord:DnsRecord", {"zoneId": zone["zoneId"], **record}
    pulumi.export(key, pulumi.CustomResource(token, key, properties, options).id)
"""
WITH_SDK = """
import importlib.util, json, pathlib, sys
import pulumi

# Without executing the package, which imports hundreds of resources: seconds for each run.
package = importlib.util.find_spec("pulumi_cloudflare")
sys.modules["pulumi_cloudflare"] = importlib.util.module_from_spec(package)
from pulumi_cloudflare.dns_record import DnsRecord
from pulumi_cloudflare.get_zone import get_zone

zone = get_zone(filter={"name": "acme.example"})
for key, record in json.loads(pathlib.Path("records.json").read_text()).items():
    pulumi.export(key, DnsRecord(key, zone_id=zone.zone_id, **record).id)
"""
"""The program of people who use Pulumi's SDK, of which these modules take a second of each run."""
HOST = {"name": "mx1.acme.example", "type": "A", "content": "198.51.100.7", "ttl": 300}
POLICY = {
    "name": "acme.example",
    "type": "TXT",
    "content": "v=spf1 a:out.mx1.acme.example -all",
    "ttl": 300,
    "comment": "pm:acme:spf",
}


class Shell:
    """A shell in a project with a stack and a Cloudflare account."""

    def __init__(self, engine: Engine, directory: Path, url: str = "") -> None:
        self._program = engine.root / "bin" / "pulumi"
        self._project = directory / "project"
        self.environment = {
            **os.environ,
            **engine.environment(directory / "home"),
            "PULUMI_BACKEND_URL": f"file://{directory}/state",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(directory / "passphrase"),
            "PULUMI_STACK": "acme",
            "CLOUDFLARE_BASE_URL": f"{url}/client/v4",
            "CLOUDFLARE_API_TOKEN": TOKEN,
        }

    def use_sdk(self) -> None:
        """Declare the records from now on as Pulumi's SDK does."""
        (self._project / "__main__.py").write_text(WITH_SDK)

    def write_records(self, **records: dict[str, Any]) -> None:
        (self._project / "records.json").write_text(json.dumps(records))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._program), *arguments],
            cwd=self._project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def up(self, *arguments: str) -> str:
        done = self.run("up", "--yes", "--skip-preview", *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture
def account() -> CloudflareAccount:
    account = CloudflareAccount(MemoryNameserver(), TOKEN)
    account.create_zone("acme.example")
    return account


@pytest.fixture(scope="module")
def engine() -> Engine:
    return find()


@pytest.fixture(scope="module")
def new_stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directories of a project whose stack has been made and is empty."""
    directory = tmp_path_factory.mktemp("new")
    for name in ("project", "state"):
        (directory / name).mkdir()
    (directory / "project/Pulumi.yaml").write_text("name: penguin\nruntime: python\n")
    (directory / "project/__main__.py").write_text(PROGRAM)
    (directory / "passphrase").write_text("")
    done = Shell(engine, directory).run("stack", "init", "acme")
    assert done.returncode == 0, done.stdout
    return directory


@pytest.fixture
def directory(new_stack: Path, tmp_path: Path) -> Path:
    """A copy for one test."""
    return shutil.copytree(new_stack, tmp_path / "stack", symlinks=True)


@pytest.fixture
def shell(account: CloudflareAccount, engine: Engine, directory: Path) -> Iterator[Shell]:
    server = serve(create_app(account))
    yield Shell(engine, directory, server.url)
    server.stop()


OFFICIAL = "pulumi's own"


@pytest.fixture(params=["the stand-in", OFFICIAL])
def any_plugin(
    engine: Engine, account: CloudflareAccount, directory: Path, request: pytest.FixtureRequest
) -> Iterator[Shell]:
    """A shell whose engine uses the stand-in, or a plugin that behaves as Pulumi's own."""
    if request.param == OFFICIAL:
        path = write_launcher(directory / "official", "tests.support.official_plugin")
        part = Part("pulumi-resource-cloudflare", CLOUDFLARE_VERSION, Kind.OFFICIAL, path)
        engine = replace(engine, cloudflare=part, gateway=gateway_to(part))
    server = serve(create_app(account))
    yield Shell(engine, directory, server.url)
    server.stop()


def records(account: CloudflareAccount) -> list[dict[str, Any]]:
    zone = account.zones()[0]["id"]
    return account.records(zone)


def test_records_created_by_hand_are_changed_and_deleted(
    shell: Shell, account: CloudflareAccount
) -> None:
    shell.use_sdk()
    shell.write_records(host=HOST, policy=POLICY)
    shell.up()
    assert {record["type"] for record in records(account)} == {"A", "TXT"}
    shell.up("--refresh", "--expect-no-changes")

    shell.write_records(host={**HOST, "content": "198.51.100.8"}, policy=POLICY)
    assert "1 updated" in shell.up()
    assert "198.51.100.8" in {record["content"] for record in records(account)}

    done = shell.run("destroy", "--yes")
    assert done.returncode == 0, done.stdout
    assert records(account) == []


def test_record_that_exists_is_imported(shell: Shell, account: CloudflareAccount) -> None:
    zone = account.zones()[0]["id"]
    existing = account.create(zone, dict(POLICY))
    shell.write_records(policy={**POLICY, "import_": f"{zone}/{existing['id']}"})
    assert "1 imported" in shell.up()
    shell.write_records(policy=POLICY)
    shell.up("--expect-no-changes")
    assert [record["id"] for record in records(account)] == [existing["id"]]


def test_record_in_conflict_with_a_foreign_one_is_named(
    shell: Shell, account: CloudflareAccount
) -> None:
    zone = account.zones()[0]["id"]
    account.create(zone, {"name": "mx1", "type": "CNAME", "content": "else.example", "ttl": 300})
    shell.write_records(host=HOST)
    done = shell.run("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "cloudflare: create A mx1.acme.example: 81054" in done.stdout
    assert "Traceback" not in done.stdout


def test_token_that_is_wrong_is_reported_with_a_remedy(shell: Shell) -> None:
    shell.environment["CLOUDFLARE_API_TOKEN"] = "w" * 40
    shell.write_records(host=HOST)
    done = shell.run("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "cloudflare: look up zone acme.example: 9109" in done.stdout
    assert "check CLOUDFLARE_API_TOKEN" in done.stdout
    assert "w" * 40 not in done.stdout


def test_refusal_with_status_200_is_no_reading_and_no_change(
    any_plugin: Shell, account: CloudflareAccount
) -> None:
    """Else a refresh ends well with empty inputs, and the next `up` replaces all live records."""
    any_plugin.write_records(host=HOST, policy=POLICY)
    any_plugin.up()
    before = records(account)

    account.faults.inject("refused_with_200", times=-1)
    for command in (("refresh", "--skip-preview"), ("destroy", "--skip-preview")):
        refused = any_plugin.run(*command, "--yes")
        assert refused.returncode != 0, refused.stdout
        assert "10000 Internal error" in refused.stdout
    account.faults.clear()

    assert records(account) == before
    any_plugin.up("--refresh", "--expect-no-changes")


def test_answers_that_are_lost_and_records_that_others_deleted_need_nobody(
    any_plugin: Shell, account: CloudflareAccount
) -> None:
    account.faults.inject("lost_answer")
    any_plugin.write_records(policy=POLICY)
    any_plugin.up()
    [policy] = records(account)
    assert policy["comment"] == POLICY["comment"]

    changed = {**POLICY, "content": "v=spf1 -all"}
    any_plugin.write_records(policy=changed)
    account.faults.inject("lost_answer")
    any_plugin.up()
    assert [record["content"] for record in records(account)] == ["v=spf1 -all"]

    account.delete(account.zones()[0]["id"], policy["id"])
    done = any_plugin.run("destroy", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout
