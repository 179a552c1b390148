"""The engine's fork server runs only while operations may come soon."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from controlplane.pulumi import forks
from controlplane.pulumi.forks import ForkServer
from controlplane.pulumi.job import Job
from tests.support.processes import children, command
from tests.support.waiting import wait_for
from tools.pulumi.engine import GATEWAY

JOB = Job((), "acme", None, "pulumi", Path("/"), {}, GATEWAY, "mark", "1:0")


def fork_servers() -> set[int]:
    """Return the process numbers of the fork servers of this process."""
    return {pid for pid in children(os.getpid()) if forks.__name__.encode() in command(pid)}


def test_fork_server_starts_with_an_operation_ends_when_idle_and_starts_again() -> None:
    server, before = ForkServer(idle=timedelta(milliseconds=50)), fork_servers()
    for _ in range(2):
        with server.worker(JOB) as worker:
            assert fork_servers() - before
            assert worker.recv() == ("done", 0)
        wait_for(lambda: not fork_servers() - before)


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
with server.worker(Job((), "acme", None, "pulumi", Path("/"), {{}}, "{GATEWAY}", "mark", "1:0")):
    print(server._server.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    pid = int(killed.stdout)
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
