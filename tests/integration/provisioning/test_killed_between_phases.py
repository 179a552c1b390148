"""A reconciler that is killed at every boundary in turn, and started again, buys once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.paths import checkout

from .conftest import Cloud
from .mortal import DSN
from .plane import FILE, Person, Plane

pytestmark = pytest.mark.engine
BOUNDARIES = ["keys", "cloud", "dns", "configuration", "verification", "activation", "end"]


def test_killed_at_every_boundary_it_gets_ready_with_one_purchase(
    plane: Plane, cloud: Cloud, penguin: Person, tmp_path: Path
) -> None:
    def live(hours: int, boundary: str) -> int:
        module = "tests.integration.provisioning.mortal"
        return subprocess.run(
            [sys.executable, "-m", module, str(tmp_path), str(hours), boundary],
            cwd=checkout(),
            env={**plane.environment, DSN: plane.dsn},
            check=False,
        ).returncode

    plane.file.write_text(FILE)
    penguin("apply", "-f", str(plane.file))

    for hours, boundary in enumerate(BOUNDARIES, 1):
        assert live(hours, boundary) == -signal.SIGKILL, boundary
        waited = penguin("wait", "tenant", "acme", "--for=condition=Ready", "--timeout=0s")
        assert "error[wait.timeout]" in waited.err, boundary
        assert cloud.bought() == ([] if boundary in ("keys", "cloud") else ["server"]), boundary
    assert live(len(BOUNDARIES) + 1, "nowhere") == 0

    waited = penguin("wait", "tenant", "acme", "--for=condition=Ready", "--timeout=0s")
    assert waited.status == 0, waited.err
    assert cloud.bought() == ["server"]
    operations = json.loads(penguin("describe", "tenant", "acme", "-o", "json").out)["operations"]
    assert [(one["phase"], one["outcome"]) for one in reversed(operations)] == [
        ("keys", "succeeded"),
        ("cloud", "succeeded"),
        ("configuration", "succeeded"),
    ]
