"""The sandbox of a measurement: its commands, its control plane's processes and database."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from kit.paths import checkout


def penguin(environment: dict[str, str], *arguments: str, stdin: str | None = None) -> str:
    """Run `penguin` and return its output."""
    return run([sys.executable, "-m", "cli.main", *arguments], environment, stdin)


def run(command: list[str], environment: dict[str, str], stdin: str | None = None) -> str:
    """Run a command in the checkout."""
    return subprocess.run(
        command,
        cwd=checkout(),
        env=environment,
        input=stdin,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def listed(environment: dict[str, str], tenant: str, kind: str) -> list[dict[str, Any]]:
    """Return a tenant's operations or events."""
    items: list[dict[str, Any]] = json.loads(
        penguin(environment, "get", kind, "--tenant", tenant, "-o", "json")
    )
    return items


def moment(text: str) -> datetime:
    """Read a time of the API."""
    return datetime.fromisoformat(text)


def delete(environment: dict[str, str], tenant: str) -> None:
    """Delete a tenant with its mail, if it exists."""
    tenants = json.loads(penguin(environment, "get", "tenants", "-o", "json"))
    if tenant in {each["name"] for each in tenants}:
        penguin(environment, "delete", "tenant", tenant, "--yes", "--yes-destroy-mail", "--wait")


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    started = time.monotonic()
    action()
    return time.monotonic() - started


def pss(pid: int) -> float:
    """Return the proportional set size of a process in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0
