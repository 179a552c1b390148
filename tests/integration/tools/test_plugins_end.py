"""A plugin ends with its engine, even if the engine is killed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kit.paths import checkout
from tests.support.processes import children
from tests.support.waiting import SECONDS

GATEWAY = "tools.pulumi.cloudflare_gateway"
MODULES = ("hostwinds.provider", GATEWAY, "tools.pulumi.language_host")
ENGINE = """
import subprocess, sys, time
plugin = subprocess.Popen([sys.executable, "-m", *sys.argv[1:]], stdout=subprocess.PIPE)
port = plugin.stdout.readline().decode().strip()
print(plugin.pid, port, flush=True)
plugin.wait()
"""
DEADLINE = SECONDS
"""Seconds after which a plugin that still runs counts as abandoned."""


@contextmanager
def killed_engine(*arguments: str) -> Iterator[int]:
    """Start an engine with a plugin; yield the plugin's process, and kill the engine."""
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, *arguments],
        cwd=checkout(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert engine.stdout is not None
    plugin, port = map(int, engine.stdout.readline().split())
    assert port > 0
    yield plugin
    engine.kill()
    engine.wait()
    engine.stdout.close()


def assert_ends(process: int) -> None:
    """Assert that a process, given by a descriptor, ends soon."""
    ended, _, _ = select.select([process], [], [], DEADLINE)
    os.close(process)
    assert ended


@pytest.mark.parametrize("module", MODULES)
def test_plugin_of_a_killed_engine_ends(module: str) -> None:
    with killed_engine(module) as plugin:
        process = os.pidfd_open(plugin)
    assert_ends(process)


def test_plugin_behind_the_gateway_of_a_killed_engine_ends(tmp_path: Path) -> None:
    official = tmp_path / "official"
    official.write_text("#!/bin/sh\necho 4711\nexec sleep 600\n")  # watches no engine by itself
    official.chmod(0o755)
    with killed_engine(GATEWAY, str(official)) as gateway:
        processes = [os.pidfd_open(pid) for pid in (gateway, *children(gateway))]
        assert len(processes) == 2
    for process in processes:
        assert_ends(process)
