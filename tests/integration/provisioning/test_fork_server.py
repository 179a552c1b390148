"""The engine's fork server runs only while operations may come soon."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from controlplane.pulumi import forks
from controlplane.pulumi.forks import ForkServer
from controlplane.pulumi.job import Job
from tests.support.processes import children, command
from tests.support.waiting import wait_for
from tools.pulumi.engine import GATEWAY

JOB = Job((), "acme", "k3f9a", None, "pulumi", Path("/"), {}, GATEWAY, "mark", "1:0")


def fork_servers() -> set[int]:
    """Return the process numbers of the fork servers of this process."""
    return {pid for pid in children(os.getpid()) if forks.__name__.encode() in command(pid)}


def reported(worker: Connection) -> dict[str, Any]:
    """Return what a worker reports until it is done, the last one of each kind."""
    messages: dict[str, Any] = {}
    while "done" not in messages:
        kind, value = worker.recv()
        messages[kind] = value
    return messages


def test_fork_server_starts_with_an_operation_ends_when_idle_and_starts_again() -> None:
    server, before = ForkServer(idle=timedelta(milliseconds=50)), fork_servers()
    for _ in range(2):
        with server.worker(JOB) as worker:
            assert fork_servers() - before
            assert reported(worker)["done"] == 0
        wait_for(lambda: not fork_servers() - before)


def test_worker_whose_caller_fails_is_killed() -> None:
    server = ForkServer(idle=timedelta())
    with pytest.raises(ZeroDivisionError), server.worker(JOB):
        raise ZeroDivisionError


def test_processes_of_an_operation_have_a_limit_of_memory_and_report_what_they_had(
    tmp_path: Path,
) -> None:
    engine = tmp_path / "pulumi"
    engine.write_text("#!/bin/sh\nulimit -d\n")
    engine.chmod(0o700)
    job = replace(
        JOB,
        kinds=("init",),
        command=str(engine),
        directory=tmp_path,
        environment={"PULUMI_BACKEND_URL": f"file://{tmp_path}"},
        memory=2**30,
    )
    with ForkServer(idle=timedelta()).worker(job) as worker:
        messages = reported(worker)
    assert int(messages["line"]) * 1024 == job.memory
    assert 0 < messages["peak"] < 2**30
    assert messages["done"] == 0


def test_fork_server_ends_with_the_process_that_started_it() -> None:
    script = f"""
import os, signal
from pathlib import Path
from {forks.__name__} import ForkServer
from {Job.__module__} import Job
server = ForkServer()
job = Job((), "acme", "k3f9a", None, "pulumi", Path("/"), {{}}, "{GATEWAY}", "mark", "1:0")
with server.worker(job):
    print(server._server.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    pid = int(killed.stdout)
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
