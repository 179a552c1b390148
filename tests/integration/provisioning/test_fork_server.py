"""The engine's fork server runs only while operations may come soon."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from controlplane.pulumi import forks
from controlplane.pulumi.forks import ForkServer
from controlplane.pulumi.job import Job
from tools.servers.process import wait_until

JOB = Job((), "acme", None, "pulumi", Path("/"), {}, "mark", "1:0")


def fork_servers() -> set[int]:
    """Return our children that workers are forked from."""
    listed = Path("/proc/self/task").glob("*/children")
    children = [pid for each in listed for pid in each.read_text().split()]
    name = forks.__name__.encode()
    return {int(p) for p in children if name in Path(f"/proc/{p}/cmdline").read_bytes()}


def test_fork_server_starts_with_an_operation_ends_when_idle_and_starts_again() -> None:
    server, before = ForkServer(idle=timedelta(milliseconds=50)), fork_servers()
    for _ in range(2):
        with server.worker(JOB) as worker:
            assert fork_servers() - before
            assert worker.recv() == ("done", 0)
        assert wait_until(lambda: not fork_servers() - before, seconds=20)


def test_worker_whose_caller_fails_is_killed() -> None:
    server = ForkServer(idle=timedelta())
    with pytest.raises(ZeroDivisionError), server.worker(JOB):
        raise ZeroDivisionError


def test_fork_server_ends_with_the_process_that_started_it() -> None:
    script = f"""
import os, signal
from pathlib import Path
from {forks.__name__} import ForkServer
from {Job.__module__} import Job
server = ForkServer()
with server.worker(Job((), "acme", None, "pulumi", Path("/"), {{}}, "mark", "1:0")):
    print(server._server.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    pid = int(killed.stdout)
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists(), seconds=20)
