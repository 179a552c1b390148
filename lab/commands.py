"""Runs the machine's programs for the lab, and reports their failures."""

from __future__ import annotations

import os
import subprocess

from lab.faults import FAILED

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Where ip, nft and mount are, also when root's own PATH lacks the sbin directories."""


def environment() -> dict[str, str]:
    """Return an environment with the lab's programs on PATH, and English messages."""
    path = os.pathsep.join((SYSTEM_PATH, os.environ.get("PATH", "")))
    return {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"}


def run(*command: str, stdin: str = "") -> str:
    """Run a program and return what it printed; raises FAILED."""
    result = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, env=environment()
    )
    if result.returncode != 0:
        output = (result.stderr.strip() or result.stdout.strip()).splitlines()
        errors = [line for line in output if "rror" in line] or output[-1:]
        reason = errors[0] if errors else f"exit code {result.returncode}"
        raise FAILED(part=f"`{command[0]}`", reason=reason)
    return result.stdout


def attempt(*command: str) -> bool:
    """Run a program whose failure means that there was nothing to do."""
    result = subprocess.run(command, capture_output=True, check=False, env=environment())
    return result.returncode == 0
