"""Official parts are used if they exist; ours replace only those that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faults import assert_shows, printed
from tools import faults
from tools.pulumi import engine
from tools.pulumi.parts import CLOUDFLARE_VERSION, VERSION, Kind

OFFICIAL = f"#!/bin/sh\necho v{VERSION}\n"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing of Pulumi on it."""
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PENGUIN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OFFICIAL)
    path.chmod(0o755)
    return path


def test_engine_without_a_command_is_refused() -> None:
    assert_shows(printed(engine.find), faults.ENGINE_MISSING)


def test_engine_of_a_bare_command_has_stand_ins(machine: Path) -> None:
    executable(machine / "bin" / "pulumi")
    current = engine.find()
    assert [part.kind for part in (current.cli, current.language, current.cloudflare)] == [
        Kind.OFFICIAL,
        Kind.STAND_IN,
        Kind.STAND_IN,
    ]
    # The engine looks for its language host beside its own real path.
    pulumi = current.root / "bin" / "pulumi"
    assert not pulumi.is_symlink()
    assert pulumi.resolve().parent / "pulumi-language-python" == current.language.path


def test_engine_of_a_whole_distribution_has_no_stand_in(machine: Path) -> None:
    executable(machine / "bin" / "pulumi")
    host = executable(machine / "bin" / "pulumi-language-python")
    name = "pulumi-resource-cloudflare"
    directory = machine / "home" / "plugins" / f"resource-cloudflare-v{CLOUDFLARE_VERSION}"
    plugin = executable(directory / name)
    current = engine.find()
    assert (current.language.path, current.language.kind) == (host, Kind.OFFICIAL)
    assert (current.cloudflare.path, current.cloudflare.kind) == (plugin, Kind.OFFICIAL)
    assert current.root == machine
    assert str(plugin) in current.gateway.read_text()


def test_engine_uses_official_parts_once_they_exist(machine: Path) -> None:
    executable(machine / "cache" / "engine" / f"official-{VERSION}" / "bin" / "pulumi")
    assert engine.find().language.kind is Kind.STAND_IN
    executable(machine / "bin" / "pulumi")
    executable(machine / "bin" / "pulumi-language-python")
    assert engine.find().language.kind is Kind.OFFICIAL


def test_plugin_in_a_home_of_ours_is_not_official(machine: Path) -> None:
    executable(machine / "bin" / "pulumi")
    engine.find().environment(machine / "home")  # a shell with our environment has this home
    assert engine.find().cloudflare.kind is Kind.STAND_IN


def test_environment_has_every_plugin_by_its_exact_version(machine: Path) -> None:
    executable(machine / "bin" / "pulumi")
    ours = executable(machine / "pulumi-resource-hostwinds")
    current = engine.find()
    for _ in range(2):
        environment = current.environment(machine / "own", {"hostwinds": ("0.1.0", ours)})
    plugins = machine / "own" / "plugins"
    hostwinds = plugins / "resource-hostwinds-v0.1.0" / "pulumi-resource-hostwinds"
    assert hostwinds.resolve() == ours
    cloudflare = plugins / f"resource-cloudflare-v{CLOUDFLARE_VERSION}"
    assert (cloudflare / "pulumi-resource-cloudflare").resolve() == current.gateway
    assert environment["PULUMI_HOME"] == str(machine / "own")
    assert environment["PATH"].startswith(f"{current.root}/bin:")
    assert environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
