"""The job of one Pulumi operation; without heavy imports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["init", "up", "refreshed up", "preview", "clear", "retire", "destroy", "remove"]
MARK = "PENGUIN_OPERATION"
"""Environment variable of all processes of one operation."""

INTERRUPT = "interrupt"
"""What the caller sends to end an operation early."""

COMMANDS: dict[Kind, list[str]] = {
    "init": ["stack", "init"],
    "up": ["up", "--yes", "--skip-preview", "--json", "--stack"],
    "refreshed up": ["up", "--yes", "--skip-preview", "--refresh", "--json", "--stack"],
    "preview": ["preview", "--json", "--stack"],
    "clear": [
        *("refresh", "--yes", "--skip-preview", "--clear-pending-creates"),
        *("--target", "**::pulumi:pulumi:Stack::**", "--json", "--stack"),
    ],
    "retire": ["up", "--yes", "--skip-preview", "--json", "--stack"],
    "destroy": ["destroy", "--yes", "--skip-preview", "--json", "--stack"],
    "remove": ["stack", "rm", "--yes", "--force"],
}
"""Arguments of each kind; the stack's name follows.

`clear` removes creations from the state that engines had begun when they were killed, which no
other command does. It refreshes nothing but the stack itself, which no provider is asked about.
"""


@dataclass(frozen=True)
class Job:
    """Commands for one process, run in order until one fails."""

    kinds: tuple[Kind, ...]
    tenant: str
    installation: str
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
