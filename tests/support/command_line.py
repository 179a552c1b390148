"""Runs the command line, in this process or in a separate one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from cli.environment import Environment
from cli.main import main
from kit.paths import checkout

COMMAND = (sys.executable, "-m", "cli.main")


def run(*arguments: str, environment: Environment | None = None) -> int:
    """Run `penguin` and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(arguments, environment)
    return int(ended.value.code or 0)


def run_printed(
    *arguments: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `penguin` in this process, without its half second of imports; return what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environment.items():
            patch.setenv(name, value)
        code = run(*arguments, environment=Environment(stdin=None))
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def run_process(
    *arguments: str, environment: Mapping[str, str], seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `penguin` in a separate process, without input."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=checkout(),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def environment_of(directory: Path) -> dict[str, str]:
    """Return the environment for a state directory, with free ports and no other settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PENGUIN_")}
    ports = {"PENGUIN_API__PORT": "0", "PENGUIN_PUBLIC__PORT": "0", "PENGUIN_METRICS__PORT": "0"}
    return {**inherited, **ports, "PENGUIN_STATE_DIR": str(directory)}


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return True: this is a terminal."""
        return True
