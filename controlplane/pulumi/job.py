"""The job of one Pulumi operation; without heavy imports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["init", "up", "refreshed up", "preview", "retire", "destroy", "remove"]
MARK = "PENGUIN_OPERATION"
"""Environment variable of all processes of one operation."""

INTERRUPT = "interrupt"
"""What the caller sends to end an operation early."""

COMMANDS: dict[Kind, list[str]] = {
    "init": ["stack", "init"],
    "up": ["up", "--yes", "--skip-preview", "--json", "--stack"],
    "refreshed up": ["up", "--yes", "--skip-preview", "--refresh", "--json", "--stack"],
    "preview": ["preview", "--json", "--stack"],
    "retire": ["up", "--yes", "--skip-preview", "--json", "--stack"],
    "destroy": ["destroy", "--yes", "--skip-preview", "--json", "--stack"],
    "remove": ["stack", "rm", "--yes", "--force"],
}
"""Arguments of each kind; the stack's name follows."""


@dataclass(frozen=True)
class Job:
    """Commands for one process, run in order until one fails."""

    kinds: tuple[Kind, ...]
    tenant: str
    blueprint: str | None
    """JSON; None where none is applied."""
    command: str
    """Path of `pulumi`."""
    directory: Path
    environment: dict[str, str] = field(repr=False)
    """Complete, provider credentials included: nothing is inherited."""
    gateway: str
    """Module that serves the gateway to Cloudflare (`kit.plugins.Gateway`)."""
    mark: str
    controller: str
    """Identity of the process that waits for this one."""
    memory: int | None = None
    """Bytes of data that each of its processes may have; None: any number."""
