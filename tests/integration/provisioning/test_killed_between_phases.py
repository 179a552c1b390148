"""A reconciler that is killed between all phases, and started again each time, buys once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from kit.paths import checkout

from .conftest import Cloud
from .control_plane import FILE, CommandLine, ControlPlane
from .killed_reconciler import DSN

pytestmark = pytest.mark.engine
BOUNDARIES = ["keys", "cloud", "dns", "configuration", "verification", "activation", "end"]


def test_process_killed_between_phases_becomes_ready_with_one_purchase(
    control_plane: ControlPlane, cloud: Cloud, penguin: CommandLine, tmp_path: Path
) -> None:
    def run_until(hours: int, boundary: str) -> int:
        with psycopg.connect(control_plane.dsn) as admin:
            admin.execute("update oltp.schedule set lease_until = 'epoch'")  # the killed one's ends
        module = "tests.integration.provisioning.killed_reconciler"
        return subprocess.run(
            [sys.executable, "-m", module, str(tmp_path), str(hours), boundary],
            cwd=checkout(),
            env={**control_plane.environment, DSN: control_plane.dsn},
            check=False,
        ).returncode

    control_plane.file.write_text(FILE)
    penguin("apply", "-f", str(control_plane.file))

    for hours, boundary in enumerate(BOUNDARIES, 1):
        assert run_until(hours, boundary) == -signal.SIGKILL, boundary
        waited = penguin("wait", "tenant", "acme", "--for=condition=Ready", "--timeout=0s")
        assert "error[wait.timeout]" in waited.err, boundary
        assert cloud.bought() == ([] if boundary in ("keys", "cloud") else ["server"]), boundary
    assert run_until(len(BOUNDARIES) + 1, "no phase") == 0

    waited = penguin("wait", "tenant", "acme", "--for=condition=Ready", "--timeout=0s")
    assert waited.status == 0, waited.err
    assert cloud.bought() == ["server"]
    operations = json.loads(penguin("describe", "tenant", "acme", "-o", "json").out)["operations"]
    assert [(operation["phase"], operation["outcome"]) for operation in reversed(operations)] == [
        ("keys", "succeeded"),
        ("cloud", "succeeded"),
        ("configuration", "succeeded"),
    ]
