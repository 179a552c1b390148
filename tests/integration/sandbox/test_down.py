"""`penguin down` ends every process, whatever the control plane was doing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.command_line import environment_of, run_printed, run_process
from tests.support.processes import mentioning
from tests.support.waiting import wait_for
from tools.servers import Postgres, Valkey, shared_memory
from tools.servers.process import Account

pytestmark = pytest.mark.engine


class Sandbox:
    """The commands in a state directory of a test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = environment_of(directory)

    def penguin(self, *arguments: str) -> str:
        """Run `penguin` as a person does: in a process that has ended afterwards."""
        return self._output(run_process(*arguments, environment=self.environment))

    def client(self, *arguments: str) -> str:
        """Run a command that only asks the API."""
        return self._output(run_printed(*arguments, environment=self.environment))

    @staticmethod
    def _output(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def is_in_operation(self) -> bool:
        listed = json.loads(self.client("get", "operations", "--tenant", "globex", "-o", "json"))
        return any(operation["phase"] == "cloud" for operation in listed)

    def processes(self) -> dict[int, str]:
        """Return all processes that this state directory has started."""
        return mentioning(self.directory)

    def segment(self) -> int | None:
        """Return the shared memory segment of the database server."""
        return shared_memory.segment_of(
            (self.directory / "postgres/data/postmaster.pid").read_text()
        )


@pytest.mark.parametrize("moment", ["in the operation", "ready", "killed", "all killed"])
def test_down_ends_everything_of_a_tenant_that_is(moment: str, servers_dir: Path) -> None:
    sandbox = Sandbox(servers_dir / moment.replace(" ", ""))
    try:
        sandbox.penguin("up", "--api-only")
        sandbox.client("apply", "-f", "tenants/globex.yaml")
        if moment == "in the operation":
            wait_for(sandbox.is_in_operation, longest_pause=1)
        elif moment == "ready":
            sandbox.client("wait", "tenant", "globex", "--for=condition=DnsReady")
        elif moment == "killed":
            announced = json.loads((sandbox.directory / "serve.json").read_text())
            os.kill(int(announced["process"].partition(".")[0]), signal.SIGKILL)
        segment = sandbox.segment()
        assert segment is not None
        if moment == "all killed":
            servers = [
                Postgres(sandbox.directory / "postgres"),
                Valkey(sandbox.directory / "valkey"),
            ]
            pids = {*sandbox.processes(), *filter(None, (server.pid() for server in servers))}
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    finally:
        output = sandbox.penguin("down")
    assert "control plane ended" in output
    assert sandbox.processes() == {}
    assert shared_memory.attached(segment, Account.for_servers().uid) is None
    assert Postgres(sandbox.directory / "postgres").pid() is None
    assert Valkey(sandbox.directory / "valkey").pid() is None
