"""What Ansible loads at its start: each run is a process of its own."""

from __future__ import annotations

import subprocess
import sys

from controlplane.ansible.run import PLAYBOOK


def test_ansible_loads_no_paramiko() -> None:
    """It takes a third of the start, and connections are those of ssh."""
    command = [sys.executable, "-X", "importtime", *PLAYBOOK[1:], "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ansible-playbook [core ")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "ansible.cli.playbook" in loaded
    assert "paramiko.transport" not in loaded
