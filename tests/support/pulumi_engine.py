"""The real Pulumi engine, as the reconciler runs it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from controlplane.pulumi.engine import PulumiEngine
from controlplane.pulumi.forks import ForkServer
from controlplane.settings import ReconcilerSettings
from tests.support.installation import INSTALLATION
from tests.support.processes import is_engine, tree
from tools.pulumi.engine import GATEWAY

FORKS = ForkServer()
"""Shared by all tests of this process: starting one takes longer than forking an operation."""


MEMORY = ReconcilerSettings().engine_memory * 2**20
"""The limit that each process of an operation has by default."""


def pulumi_engine(
    environment: Mapping[str, str],
    root: Path,
    *,
    installation: str = INSTALLATION,
    clock: Callable[[], float] = time.monotonic,
) -> PulumiEngine:
    """Return an engine with a directory for its records of operations."""
    return PulumiEngine(
        installation=installation,
        environment=environment,
        root=root,
        gateway=GATEWAY,
        memory=MEMORY,
        clock=clock,
        forks=FORKS,
    )


def kill_engine() -> None:
    """Kill the engine that this process runs, if any; its plugins continue for a moment."""
    for pid in tree(os.getpid()):
        # `tree` yields it before its newly forked children, which have the same command line.
        if is_engine(pid):
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGKILL)
            return
