"""What says that it has ended has ended, whatever the control plane was doing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.paths import checkout
from tools.servers import Postgres, Valkey
from tools.servers.process import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


class Sandbox:
    """The commands in a state directory of a test."""

    def __init__(self, place: Path) -> None:
        self.place = place
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PENGUIN_")}
        self.environment = {**clean, "PENGUIN_STATE_DIR": str(place), "PENGUIN_API__PORT": "0"}
        self.environment["PENGUIN_PUBLIC__PORT"] = "0"

    def penguin(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=checkout(),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def is_in_operation(self) -> bool:
        listed = json.loads(self.penguin("get", "operations", "--tenant", "acme", "-o", "json"))
        return any(operation["phase"] == "cloud" for operation in listed)

    def processes(self) -> list[str]:
        """Return the commands of all processes that this state directory has started."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"PENGUIN_STATE_DIR={self.place}\0".encode() in environment and command:
                found.append(command.replace(b"\0", b" ").decode())
        return found


@pytest.mark.parametrize("moment", ["applied", "in the operation", "ready", "killed"])
def test_down_ends_everything_when_the_tenant_is(moment: str, servers_dir: Path) -> None:
    sandbox = Sandbox(servers_dir / moment.replace(" ", ""))
    try:
        sandbox.penguin("up", "--api-only")
        sandbox.penguin("apply", "-f", "tenants/acme.yaml")
        if moment == "in the operation":
            assert wait_until(sandbox.is_in_operation, seconds=60)
        elif moment == "ready":
            sandbox.penguin("wait", "tenant", "acme", "--for=condition=DnsReady")
        elif moment == "killed":
            supervisor = json.loads((sandbox.place / "serve.json").read_text())["pid"]
            os.kill(supervisor, signal.SIGKILL)
    finally:
        said = sandbox.penguin("down")
    assert "control plane ended" in said
    assert sandbox.processes() == []
    assert Postgres(sandbox.place / "postgres").pid() is None
    assert Valkey(sandbox.place / "valkey").pid() is None
