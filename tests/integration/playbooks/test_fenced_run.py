"""Runs of the real Ansible that pass a fence: this machine stands in for the host."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.ansible.faults import TASK_FAILED
from controlplane.ansible.host_fence import begin_command
from controlplane.ansible.run import Connection, Playbook, run_playbook
from kit.paths import checkout
from tests.support.faults import fault_shown
from tests.support.waiting import SECONDS

PLAYBOOKS = checkout() / "playbooks"
REFUSED = "the fence of this host is at 9: a run with 8 changes nothing more"


class Run:
    """Runs of tasks of a play that is fenced as `site.yml` is."""

    def __init__(self, directory: Path) -> None:
        self.lines: list[str] = []
        self.program = directory / "a fence" / "fence"
        self._playbooks = directory / "playbooks"
        self._playbooks.mkdir()
        shutil.copy(PLAYBOOKS / "ansible.cfg", self._playbooks)
        for name in ("become_plugins", "action_plugins", "library"):
            (self._playbooks / name).symlink_to(PLAYBOOKS / name)

    @contextmanager
    def began(self, token: int) -> Iterator[None]:
        command = begin_command(token, program=str(self.program), seconds=0)
        with subprocess.Popen(
            ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield
            process.communicate(timeout=SECONDS)

    def tasks(self, *tasks: dict[str, Any], fence: int | None) -> int:
        [play] = _site()
        settings = {key: play[key] for key in ("become", "become_method")}
        content = [{"hosts": "mail_hosts", "gather_facts": False, **settings, "tasks": list(tasks)}]
        path = self._playbooks / "site.yml"
        path.write_text(json.dumps(content))
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        playbook = Playbook(path, variables=local, secrets={}, deadline=timedelta(seconds=SECONDS))
        return run_playbook(
            playbook,
            Connection(
                name="mx1",
                address="127.0.0.1",
                known_host="",
                private_key="KEY",
                fence=fence,
                fence_program=str(self.program),
            ),
            self.lines.append,
        )


def _site() -> list[dict[str, Any]]:
    plays: list[dict[str, Any]] = yaml.safe_load((PLAYBOOKS / "site.yml").read_text())
    return plays


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def of_each_kind(directory: Path) -> list[dict[str, Any]]:
    """Return a task of each kind that the roles have, and of those that copy files."""
    return [
        {"name": "raw", "ansible.builtin.raw": f"echo \"it's\" $PPID > '{directory}/raw'"},
        {"name": "shell", "ansible.builtin.shell": f"touch '{directory}/shell'"},
        {"name": "command", "ansible.builtin.command": {"argv": ["touch", f"{directory}/command"]}},
        {
            "name": "rendered_files",
            "rendered_files": {
                "sets": [{"files": [{"path": f"{directory}/rendered", "content": "{{ word }}\n"}]}]
            },
            "vars": {"word": "it's"},
        },
        {
            "name": "copy",
            "ansible.builtin.copy": {"content": "copied", "dest": f"{directory}/copied"},
        },
        {
            "name": "stdin",
            "ansible.builtin.command": {"cmd": "cat", "stdin": "given"},
            "register": "read",
            "failed_when": "read.stdout != 'given'",
        },
    ]


NAMES = ["command", "copied", "raw", "rendered", "shell"]


def test_each_kind_of_task_passes_with_the_token_of_the_run(run: Run, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()

    with run.began(9):
        run.tasks(*of_each_kind(made), fence=9)

    assert sorted(path.name for path in made.iterdir()) == NAMES
    assert (made / "rendered").read_text() == "it's\n"


def test_no_kind_of_task_passes_with_a_smaller_token(run: Run, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    tasks = [task | {"ignore_errors": True} for task in of_each_kind(made)]

    with run.began(9):
        run.tasks(*tasks, fence=8)

    assert list(made.iterdir()) == []


def test_refused_task_fails_with_the_words_of_the_fence(run: Run) -> None:
    with run.began(9), fault_shown(TASK_FAILED, task="shell", reason=...) as caught:
        run.tasks({"name": "shell", "ansible.builtin.shell": "true"}, fence=8)

    assert REFUSED in str(caught.value)


def test_refused_run_is_not_rescued_on_the_host(run: Run, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    first, *others = of_each_kind(made)
    rescued = {"name": "block", "block": [first], "rescue": others[:1], "always": others[1:2]}

    with run.began(9), fault_shown(TASK_FAILED, task=..., reason=...):
        run.tasks(rescued, fence=8)

    assert list(made.iterdir()) == []


def test_run_by_hand_passes_no_fence(run: Run, tmp_path: Path) -> None:
    with run.began(9):
        run.tasks({"name": "touch", "ansible.builtin.raw": f"touch {tmp_path}/made"}, fence=None)

    assert (tmp_path / "made").exists()
