# ruff: noqa: INP001 - Ansible loads plugins from a directory without a package
"""Lets each command of a run pass the fence of its host, which refuses those of an earlier run.

No account changes: Ansible has no other place where a plugin gets the commands of all tasks.
"""

from __future__ import annotations

import shlex
from typing import Any

from ansible.plugins.become import BecomeBase

DOCUMENTATION = """
name: fenced
short_description: Run commands by the fence of the host
description: The account stays what it is.
options:
    fence:
        description: The token of the run. Commands of a run without one, by hand, pass no fence.
        vars: [{name: host_fence}]
    fence_program:
        description: The program on the host, which the control plane installs.
        vars: [{name: host_fence_program}]
"""


class BecomeModule(BecomeBase):
    """Puts the fence's program before a command. There is no prompt and no sign of success."""

    name = "fenced"

    def build_become_command(self, cmd: str, shell: Any) -> str:
        """Return what runs a command with the token of the run."""
        token = self.get_option("fence")
        if not cmd or token is None:
            return cmd
        return shlex.join(["sh", self.get_option("fence_program"), "run", str(token), cmd])
