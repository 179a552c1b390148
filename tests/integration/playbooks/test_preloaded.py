"""What processes of tasks find loaded, in a run of the real Ansible on this machine."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path

from controlplane.ansible.run import Connection, Playbook, run_playbook
from kit.paths import checkout
from tests.support.waiting import SECONDS

PLAYBOOKS = checkout() / "playbooks"
NEEDED = [
    "ansible.plugins.connection.ssh",
    "ansible.plugins.shell.sh",
    "ansible.plugins.become.fenced",
    "ansible.plugins.action.normal",
    "ansible.plugins.action.raw",
    "ansible.plugins.action.rendered_files",
    "ansible.plugins.filter.core",
    "ansible.plugins.test.core",
]
ACTION = """
import sys

LOADED = set(sys.modules)  # before anything of this task

from ansible.plugins.action import ActionBase


def is_loaded(name):
    return any(each == name or each.startswith(name + "_") for each in LOADED)


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        missing = [name for name in self._task.args["needed"] if not is_loaded(name)]
        return {"failed": bool(missing), "msg": f"not loaded: {missing}"}
"""


def test_task_finds_the_plugins_of_every_task_loaded(tmp_path: Path) -> None:
    shutil.copy(PLAYBOOKS / "ansible.cfg", tmp_path)
    for name in ("become_plugins", "callback_plugins", "library"):
        (tmp_path / name).symlink_to(PLAYBOOKS / name)
    shutil.copytree(PLAYBOOKS / "action_plugins", tmp_path / "action_plugins")
    (tmp_path / "action_plugins" / "needed.py").write_text(ACTION)
    task = {"name": "See what is loaded", "needed": {"needed": NEEDED}}
    path = tmp_path / "site.yml"
    path.write_text(json.dumps([{"hosts": "mail_hosts", "gather_facts": False, "tasks": [task]}]))
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    run_playbook(
        Playbook(path, variables=local, secrets={}, deadline=timedelta(seconds=SECONDS)),
        Connection(name="mx1", address="127.0.0.1", known_host="", private_key="KEY"),
        lambda _: None,
    )
