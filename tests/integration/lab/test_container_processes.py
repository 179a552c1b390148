"""A container of several processes ends as a whole, and says which of them ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from kit.paths import checkout

RUN = "import json, os, sys; from lab.mailu.container.processes import run; "
RUN += "run(json.loads(sys.argv[1]), os.environ)"
FOR_EVER = ("sleep", "infinity")
READY = ("sh", "-c", "echo ready; exec sleep infinity")


def container(*commands: tuple[str, ...]) -> subprocess.Popen[str]:
    """Run commands as one container."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, json.dumps(commands)],
        cwd=checkout(),
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("exit_code", "expected"), [(0, 1), (3, 3)])
def test_end_of_one_process_ends_all(exit_code: int, expected: int) -> None:
    command = ("sh", "-c", f"exit {exit_code}")
    with container(FOR_EVER, command) as running:
        output, _ = running.communicate(timeout=60)
    assert running.returncode == expected
    assert output == f"stand-in: sh -c exit {exit_code} ended: {exit_code}\n"


def test_request_to_end_ends_all_without_a_failure() -> None:
    with container(FOR_EVER, READY) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.terminate()
        assert running.wait(60) == 0
        assert running.stdout.read() == ""  # at its end: no process has it open any more
