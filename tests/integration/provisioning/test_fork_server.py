"""The engine's fork server is there only while operations may come soon."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from controlplane.pulumi.forks import ForkServer
from tools.servers.process import wait_until


def fork_servers() -> list[int]:
    """Return our children that operations are forked from."""
    listed = Path("/proc/self/task").glob("*/children")
    children = [pid for each in listed for pid in each.read_text().split()]
    return [int(p) for p in children if b"forkserver" in Path(f"/proc/{p}/cmdline").read_bytes()]


def test_fork_server_starts_with_an_operation_ends_when_idle_and_starts_again() -> None:
    forks = ForkServer("controlplane.pulumi.job", idle=timedelta(milliseconds=50))
    forks._end()  # the server of earlier tests in this process
    before = set(fork_servers())
    for _ in range(2):
        with forks.used() as processes:
            process = processes.Process(target=os.getpid)
            process.start()
            process.join()
            assert set(fork_servers()) - before
        assert process.exitcode == 0
        assert wait_until(lambda: not set(fork_servers()) - before, seconds=20)
