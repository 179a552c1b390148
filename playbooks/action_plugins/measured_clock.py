# ruff: noqa: INP001 - Ansible loads plugins from a directory without a package
"""Resolves the names of time servers on the controller, and has the host measure its clock.

The host's own resolver is configured later in the same run: were it needed before, a host whose
resolver is broken could not be repaired.
"""

from __future__ import annotations

import socket
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """`servers`: names or addresses; `limit`: seconds. The module gets `{name, address}` each."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resolve, then run the module of the same name on the host."""
        result: dict[str, Any] = super().run(tmp, task_vars or {})
        servers = [
            {"name": str(name), "address": _address(str(name))}
            for name in self._task.args.get("servers", [])
        ]
        arguments = {"servers": servers, "limit": self._task.args["limit"]}
        result.update(
            self._execute_module(
                module_name="measured_clock", module_args=arguments, task_vars=task_vars or {}
            )
        )
        return result


def _address(name: str) -> str:
    """Return the first IPv4 address; the name itself where it cannot be resolved here."""
    try:
        return str(socket.getaddrinfo(name, None, socket.AF_INET)[0][4][0])
    except OSError:
        return name
