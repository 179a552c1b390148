"""Where hosts cannot run, the demo ends at DNS with the reason and leaves nothing running."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import environment_of, run_process
from tools.servers import Postgres, Valkey


@pytest.mark.engine
def test_demo_without_hosts_ends_at_dns_with_the_reason(servers_dir: Path) -> None:
    directory = servers_dir / "sandbox"
    done = run_process("demo", "--api-only", environment=environment_of(directory))
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "Real hosts cannot run on this machine" in output
    assert "condition met: DnsReady" in output
    assert "HostsUnavailable" in output
    assert "$63.94" in output
    assert "Traceback" not in output
    assert Postgres(directory / "postgres").pid() is None
    assert Valkey(directory / "valkey").pid() is None
    assert not (directory / "lab" / "lab.json").exists()
    assert not (directory / "serve.json").exists()
