"""The real Pulumi engine, as the reconciler runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from controlplane.pulumi.engine import PulumiEngine
from controlplane.pulumi.forks import ForkServer
from tests.support.installation import INSTALLATION

FORKS = ForkServer()
"""Of all tests in this process: to start one takes longer than to fork an operation from it."""


def pulumi_engine(
    environment: Mapping[str, str], root: Path, *, installation: str = INSTALLATION
) -> PulumiEngine:
    """Return an engine with a directory for its notes on operations."""
    return PulumiEngine(installation=installation, environment=environment, root=root, forks=FORKS)
