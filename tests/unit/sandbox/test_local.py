"""Cases in which the commands of the sandbox fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.api import Api, connect
from cli.faults import USAGE
from kit.processes import own_identity
from lab.faults import NO_RECEIVER, NOT_RUNNING
from sandbox import lab, local, narration
from sandbox.faults import COMMAND_FAILED, LAB_ALONE, OTHER_INSTALLATION
from tests.support.faults import assert_shows, printed
from tests.support.labs import lab_of_this_process

LEAVE_OUT = "leave out one of the options"


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def running() -> None:
    """A lab at API level."""
    local.lab_dir().mkdir(parents=True, exist_ok=True)
    lab_of_this_process().write(local.lab_dir())


def test_lab_command_without_a_lab_is_refused() -> None:
    assert_shows(printed(lab.env), NOT_RUNNING)
    assert_shows(printed(lambda: lab.logs(None)), NOT_RUNNING)


def test_inbox_at_api_level_is_refused(running: None) -> None:
    assert_shows(printed(lambda: lab.inbox(None)), NO_RECEIVER)


def test_hosts_with_packages_are_refused_without_hosts() -> None:
    shown = printed(lambda: lab.up(api_only=True, golden=True))
    assert_shows(shown, USAGE, mistake="--golden is about real hosts", remedy=LEAVE_OUT)


def test_hosts_with_packages_are_refused_in_a_lab_that_runs_without(running: None) -> None:
    shown = printed(lambda: lab.up(golden=True))
    assert_shows(shown, USAGE, mistake=lab.BARE, remedy="run `penguin lab down` first")


def test_installation_not_made_for_the_lab_is_not_removed(state: Path) -> None:
    (state / "settings.env").write_text("PENGUIN_API__PORT=1\n")
    assert_shows(printed(local.remove_ended), OTHER_INSTALLATION)


def test_lab_without_control_plane_is_not_joined(running: None) -> None:
    assert_shows(printed(local.is_up), LAB_ALONE)


def test_demo_whose_command_fails_says_which() -> None:
    shown = printed(lambda: narration.penguin({"PATH": "/usr/bin"}, "nope"))
    assert_shows(shown, COMMAND_FAILED, command="nope")


def test_lab_env_names_the_control_plane_that_penguin_uses(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = {"process": own_identity(), "url": "http://127.0.0.1:8499"}
    (state / "serve.json").write_text(json.dumps(serving))
    (state / "context.json").write_text(json.dumps({"api_key": "key of the lab"}))
    for name, value in local.client_environment().items():
        monkeypatch.setenv(name, value)
    elsewhere = state / "elsewhere"
    elsewhere.mkdir()
    other = {"url": "http://other.example", "api_key": "other"}
    (elsewhere / "context.json").write_text(json.dumps(other))
    monkeypatch.setenv("PENGUIN_STATE_DIR", str(elsewhere))
    assert connect() == Api("http://127.0.0.1:8499", "key of the lab")
