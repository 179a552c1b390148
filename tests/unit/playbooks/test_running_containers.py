"""Containers are started, replaced and restarted once for each change, whatever was interrupted."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.playbook_modules import load, run

module = load("running_containers")
FILES = ["compose.yml", "mailu.env"]


class Docker:
    """Containers in memory; it knows only our calls. The real one is on hosts of the lab."""

    def __init__(self) -> None:
        self.services = ["front", "redis"]
        self.containers: dict[str, tuple[str, str]] = {}
        """State and start by service."""
        self.fails = False
        self.done: list[str] = []
        """Calls that change something, or read the files of the project."""

    def __call__(self, *words: str) -> str:
        if words[0] == "compose":
            words = ("compose", *words[words.index("-f") + 2 :])
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f123Z")
        match words:
            case ("compose", "config", "--services"):
                self.done.append("config")
                return "\n".join(self.services)
            case ("ps", "-aq", "--filter", "label=com.docker.compose.project=mailu"):
                return "\n".join(self.containers)
            case ("inspect", *names):
                return json.dumps([self._shown(name) for name in names])
            case ("compose", "up", "--detach", "--remove-orphans", "--quiet-pull"):
                started = self.services
                self.containers = {}
            case ("compose", "restart", "--no-deps", *names):
                started = names
            case _:
                raise AssertionError(words)
        if self.fails:
            raise module.DockerFailed("no such host")
        self.containers |= dict.fromkeys(started, ("running", now))
        self.done.append(words[1])
        return ""

    def _shown(self, name: str) -> dict[str, Any]:
        status, start = self.containers[name]
        labels = {"com.docker.compose.service": name}
        return {"Config": {"Labels": labels}, "State": {"Status": status, "StartedAt": start}}


class Project:
    """A project directory, and a `docker` that runs it."""

    def __init__(self, directory: Path, docker: Docker) -> None:
        self.directory = directory
        self.docker = docker
        for name in (*FILES, "override"):
            self.write(name, "one")

    def write(self, name: str, text: str) -> None:
        """Write a file, later than any start of a container before."""
        before = time.time()
        while True:
            (self.directory / name).write_text(text)
            if (self.directory / name).stat().st_ctime > before:
                return

    def run(self, *, check: bool = False) -> dict[str, Any]:
        self.docker.done.clear()
        watch = {"front": [str(self.directory / "override")], "absent": [str(self.directory)]}
        return dict(module.run(self.directory, FILES, watch, check, self.docker))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "mailu").mkdir()
    return Project(tmp_path / "mailu", Docker())


def test_first_run_starts_all_and_the_second_nothing(project: Project) -> None:
    assert project.run()["started"] == ["front", "redis"]
    assert project.docker.done == ["config", "up"]
    assert project.run() == {"changed": False, "started": [], "restarted": []}
    assert project.docker.done == []


def test_services_that_an_earlier_version_has_not_written_are_read(project: Project) -> None:
    project.run()
    applied = project.directory / module.APPLIED
    applied.write_text(applied.read_text().split()[0])
    assert project.run()["changed"]
    assert project.docker.done == ["config", "up"]
    assert not project.run()["changed"]


@pytest.mark.parametrize("name", FILES)
def test_changed_file_of_the_project_is_applied_once(project: Project, name: str) -> None:
    project.run()
    project.write(name, "two")
    assert project.run()["changed"]
    assert project.docker.done == ["config", "up"]
    assert not project.run()["changed"]


def test_changed_override_restarts_its_service_once(project: Project) -> None:
    project.run()
    project.write("override", "two")
    assert project.run() == {"changed": True, "started": [], "restarted": ["front"]}
    assert project.docker.done == ["restart"]
    assert not project.run()["changed"]


LATER = "2100-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "containers",
    [
        {"front": ("running", LATER)},
        {"front": ("exited", LATER), "redis": ("running", LATER)},
        dict.fromkeys(("front", "redis", "webmail"), ("running", LATER)),
    ],
    ids=["missing", "ended", "surplus"],
)
def test_other_containers_than_wanted_are_made_right(
    project: Project, containers: dict[str, tuple[str, str]]
) -> None:
    project.run()
    project.docker.containers = dict(containers)
    assert project.run()["changed"]
    assert set(project.docker.containers) == {"front", "redis"}
    assert not project.run()["changed"]


def test_container_that_docker_starts_again_and_again_is_left_to_it(project: Project) -> None:
    project.run()
    project.docker.containers["front"] = ("restarting", LATER)
    assert not project.run()["changed"]


def test_start_that_failed_is_repeated(project: Project) -> None:
    project.run()
    project.write("mailu.env", "two")
    project.docker.fails = True
    with pytest.raises(module.DockerFailed, match="no such host"):
        project.run()
    project.docker.fails = False
    assert project.run()["changed"]
    assert not project.run()["changed"]


def test_check_changes_nothing(project: Project) -> None:
    assert project.run(check=True)["changed"]
    assert project.docker.done == ["config"]
    assert project.docker.containers == {}


def test_failed_command_is_explained_by_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nprintf 'first\\nno such host\\n\\n' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(module.DockerFailed, match=r"^no such host$"):
        module.docker("ps")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(module.DockerFailed, match="no Docker"):
        module.docker("ps")


def test_first_check_of_a_host_without_docker_shows_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    given: dict[str, Any] = {"project": str(tmp_path / "mailu"), "files": FILES, "watch": {}}
    assert run("running_containers", check=True, **given) == {"changed": True}
    failed = run("running_containers", **given)
    assert failed["failed"]
    assert "are not started: there is no Docker" in failed["msg"]
