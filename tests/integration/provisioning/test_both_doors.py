"""`pulumi up` by hand and the reconciler's engine share one program and one state."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from blueprint.document import Blueprint
from controlplane.provisioning.engine import PulumiEngine
from tools.places import checkout
from tools.pulumi.engine import Engine

from .conftest import Cloud

pytestmark = pytest.mark.engine
DEADLINE = timedelta(minutes=2)


class ByHand:
    """An operator's shell in the checkout."""

    def __init__(self, engine: Engine, environment: dict[str, str], config: Path) -> None:
        self._command = str(engine.root / "bin" / "pulumi")
        self._environment = environment
        self._config = config

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `pulumi`; the stack's configuration file is kept out of the checkout."""
        return subprocess.run(
            [self._command, *arguments, "--config-file", str(self._config), "-s", "acme"],
            cwd=checkout(),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def begin(self, place: Path) -> None:
        """Run `pulumi stack init` where the configuration that it writes disturbs nobody."""
        place.mkdir()
        (place / "Pulumi.yaml").write_text("name: penguin\nruntime: python\n")
        subprocess.run(
            [self._command, "stack", "init", "acme"],
            cwd=place,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def up(self) -> str:
        """Run `pulumi up` and return what it says; it must succeed."""
        done = self.run("up", "--yes", "--skip-preview")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(params=["files", "postgres"])
def environment(
    request: pytest.FixtureRequest, environment: dict[str, str]
) -> Iterator[dict[str, str]]:
    if request.param == "postgres":
        url = request.getfixturevalue("database").replace("postgresql://", "postgres://")
        yield {**environment, "PULUMI_BACKEND_URL": f"{url}?sslmode=disable"}
    else:
        yield environment


@pytest.fixture
def by_hand(
    engine: Engine, environment: dict[str, str], blueprint: Blueprint, tmp_path: Path
) -> ByHand:
    document = tmp_path / "acme.json"
    document.write_text(blueprint.model_dump_json(by_alias=True))
    config = tmp_path / "Pulumi.acme.yaml"
    config.write_text(f"config:\n  penguin:blueprint: {document}\n")
    return ByHand(engine, environment, config)


def test_what_one_door_made_the_other_finds_unchanged(
    by_hand: ByHand,
    environment: dict[str, str],
    blueprint: Blueprint,
    cloud: Cloud,
    tmp_path: Path,
) -> None:
    engine = PulumiEngine(environment=environment, root=tmp_path / "operations")
    lines: list[str] = []
    assert engine.up(blueprint, lines.append, deadline=DEADLINE).pending == ("mx1-2",)
    cloud.sell_addresses(1)
    assert "changes" in by_hand.up()
    assert "unchanged" in (again := by_hand.up())
    assert "created" not in again
    assert "updated" not in again
    assert engine.preview(blueprint, lines.append).changes == ()
    state = engine.up(blueprint, lines.append, deadline=DEADLINE)
    assert state.digest == blueprint.digest
    assert state.pending == ()
    assert cloud.bought() == ["server", "address"]


@pytest.mark.parametrize("environment", ["files"], indirect=True)
def test_a_tenant_begun_by_hand_is_taken_over_by_the_reconciler(
    by_hand: ByHand,
    environment: dict[str, str],
    blueprint: Blueprint,
    cloud: Cloud,
    tmp_path: Path,
) -> None:
    by_hand.begin(tmp_path / "elsewhere")
    done = by_hand.run("up", "--yes", "--skip-preview")
    assert "hostwinds.pending" in done.stdout, done.stdout + done.stderr
    engine = PulumiEngine(environment=environment, root=tmp_path / "operations")
    assert engine.state("acme").pending == ("mx1-2",)
    cloud.sell_addresses(1)
    assert engine.up(blueprint, print, deadline=DEADLINE).pending == ()
    assert cloud.bought() == ["server", "address"]


@pytest.mark.parametrize("environment", ["files"], indirect=True)
def test_an_address_that_waits_survives_a_refresh_and_a_preview_by_hand(
    by_hand: ByHand,
    environment: dict[str, str],
    blueprint: Blueprint,
    cloud: Cloud,
    tmp_path: Path,
) -> None:
    """A refresh forgets that a resource is not complete; the plugin must not."""
    engine = PulumiEngine(environment=environment, root=tmp_path / "operations")
    engine.up(blueprint, print, deadline=DEADLINE)
    refreshed = by_hand.run("refresh", "--yes", "--skip-preview")
    assert refreshed.returncode == 0, refreshed.stdout + refreshed.stderr
    previewed = by_hand.run("preview")
    assert previewed.returncode == 0, previewed.stdout + previewed.stderr
    cloud.sell_addresses(1)
    by_hand.up()
    assert engine.state("acme").pending == ()
    assert "mx1-2/A" in engine.state("acme").records
    assert cloud.bought() == ["server", "address"]


@pytest.mark.parametrize("environment", ["files"], indirect=True)
def test_a_label_that_somebody_changed_in_the_portal_replaces_nothing(
    by_hand: ByHand,
    environment: dict[str, str],
    blueprint: Blueprint,
    cloud: Cloud,
    tmp_path: Path,
) -> None:
    engine = PulumiEngine(environment=environment, root=tmp_path / "operations")
    engine.up(blueprint, print, deadline=DEADLINE)
    cloud.sell_addresses(1)
    engine.up(blueprint, print, deadline=DEADLINE)
    [server] = cloud.world.all_servers()
    server.srvrname = "our mail server"
    refreshed = by_hand.run("refresh", "--yes", "--skip-preview")
    assert refreshed.returncode == 0, refreshed.stdout + refreshed.stderr
    assert "our mail server" in refreshed.stdout
    assert "unchanged" in by_hand.up()
    assert list(cloud.world.all_servers()) == [server]
    assert cloud.bought() == ["server", "address"]
