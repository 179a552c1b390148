"""Kills processes that a run left behind: ssh's shared connection, and workers of Ansible.

Ansible's workers and ssh's master each start a session of their own, so killing the process group
of `ansible-playbook` does not reach them. All of them inherit its environment, which contains
the path of the run's private directory and so identifies them.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
END_SECONDS = 5.0
"""How long a killed process may take to exit; it takes longer only during a disk write."""


def end_leftovers(marker: str) -> int:
    """Kill every process with this text in its environment; return how many there were.

    Does nothing where there is no /proc. A descriptor (pidfd) is open between the check and the
    kill, so that a reused process id cannot hit another process.
    """
    ended = 0
    for entry in PROC.glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            descriptor = os.pidfd_open(int(entry.name))
            try:
                if marker.encode() in (entry / "environ").read_bytes():
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    select.select([descriptor], [], [], END_SECONDS)
                    ended += 1
            finally:
                os.close(descriptor)
    return ended
