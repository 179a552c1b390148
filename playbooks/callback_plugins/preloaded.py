# ruff: noqa: INP001 - Ansible loads plugins from a directory without a package
"""Loads before the first task what every task needs.

Ansible forks a process for each task. What such a process loads, the next one loads again: plugins
of connection, shell and `become`, and all filters and tests of templates, a fiftieth of a second.
"""

from __future__ import annotations

from ansible.plugins import loader
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: preloaded
type: aggregate
short_description: Load plugins before the first task
description: The processes of tasks are forked from this one, and have what it has loaded.
"""


class CallbackModule(CallbackBase):
    """Acts once, when the play begins."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "preloaded"

    def v2_playbook_on_play_start(self, play: object) -> None:
        """Load the plugins; one filter or test loads all."""
        del play
        for plugins, names in (
            (loader.connection_loader, ["ssh"]),
            (loader.shell_loader, ["sh"]),
            (loader.become_loader, ["fenced"]),
            (loader.action_loader, ["normal", "raw", "rendered_files"]),
        ):
            for name in names:
                plugins.get(name, class_only=True)
        for plugins in (loader.filter_loader, loader.test_loader):
            next(plugins.all())
