"""The real Pulumi engine, as the reconciler runs it."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from controlplane.pulumi.engine import PulumiEngine
from controlplane.pulumi.forks import ForkServer
from tests.support.installation import INSTALLATION
from tests.support.processes import command, tree

FORKS = ForkServer()
"""Of all tests in this process: to start one takes longer than to fork an operation from it."""


def pulumi_engine(
    environment: Mapping[str, str], root: Path, *, installation: str = INSTALLATION
) -> PulumiEngine:
    """Return an engine with a directory for its notes on operations."""
    return PulumiEngine(installation=installation, environment=environment, root=root, forks=FORKS)


def kill_engine() -> None:
    """Kill the engine that this process runs, if it still does; its plugins go on for a moment."""
    for pid in tree(os.getpid()):
        # Before the children that it has just forked, which have its command line.
        if Path(command(pid).partition(b"\0")[0].decode()).name == "pulumi":
            os.kill(pid, signal.SIGKILL)
            return
