"""A plugin ends with its engine, even if the engine is killed."""

from __future__ import annotations

import os
import select
import subprocess
import sys

import pytest

from kit.paths import checkout

MODULES = ("hostwinds.provider", "tools.pulumi.cloudflare_gateway", "tools.pulumi.language_host")
ENGINE = """
import subprocess, sys, time
plugin = subprocess.Popen([sys.executable, "-m", sys.argv[1]], stdout=subprocess.PIPE)
port = plugin.stdout.readline().decode().strip()
print(plugin.pid, port, flush=True)
plugin.wait()
"""
DEADLINE = 60
"""Seconds after which a plugin that still runs counts as abandoned."""


@pytest.mark.parametrize("module", MODULES)
def test_plugin_of_a_killed_engine_ends(module: str) -> None:
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, module],
        cwd=checkout(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert engine.stdout is not None
    plugin, port = map(int, engine.stdout.readline().split())
    assert port > 0
    plugin_fd = os.pidfd_open(plugin)
    engine.kill()
    engine.wait()
    engine.stdout.close()
    ended, _, _ = select.select([plugin_fd], [], [], DEADLINE)
    os.close(plugin_fd)
    assert ended
