"""Daemons of packages that a host gets are masked until the role that configures them has come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.paths import checkout

from .test_ansible_run import Run, task

ROLES = checkout() / "playbooks" / "roles"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def tasks_of(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return tasks and those of their blocks."""
    return [inner for entry in entries for inner in (entry, *tasks_of(entry.get("block", [])))]


def role(name: str, file: str = "main") -> list[dict[str, Any]]:
    return tasks_of(yaml.safe_load((ROLES / name / "tasks" / f"{file}.yml").read_text()))


DEFAULTS = yaml.safe_load((ROLES / "base" / "defaults" / "main.yml").read_text())


def test_all_daemons_that_later_roles_configure_are_masked() -> None:
    configured = {
        name
        for path in ROLES.iterdir()
        if path.name != "base"
        for entry in role(path.name)
        for unit in entry.get("running_units", {}).get("units", [])
        for name in (unit["names"] if isinstance(unit["names"], list) else [])
        if not name.startswith("penguin-")
    }
    assert set(DEFAULTS["base_daemons"].values()) == configured


def test_daemons_are_masked_that_the_host_did_not_have(run: Run) -> None:
    tasks = role("base", "packages")
    [forbid] = [entry for entry in tasks if entry["name"].startswith("Forbid packages")]
    [_, masks] = forbid["rendered_files"]["sets"]
    shown = [
        "not-installed postfix",
        "half-configured docker.io",  # an upgrade that was interrupted
        "installed chrony",
    ]
    variables = {
        **forbid["vars"],
        "base_daemons": DEFAULTS["base_daemons"],
        "base_installed": {"stdout_lines": shown},
        "masked": masks["for_each"],
    }
    for wanted, masked in (
        (["chrony", "docker.io", "dovecot-core", "postfix"], ["dovecot", "postfix"]),
        (["chrony", "postfix"], ["postfix"]),
    ):
        units = [f"{name}.service" for name in masked]
        compare = task(
            "compare", "assert", that=f"masked | map(attribute='value') | sort == {units}"
        )
        assert run.tasks({**compare, "vars": {**variables, "base_wanted_packages": wanted}}) == 0
