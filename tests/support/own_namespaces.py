"""Runs a script in namespaces of its own, where it has a lab beside that of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.paths import checkout, state_dir
from lab import cgroups

APART = "apart"
"""Name of the directory of such scripts in that of this checkout's state."""
ISOLATE = r"""
mkdir "$0"; echo $$ > "$0/cgroup.procs"
exec unshare -m -n -C -p -f --kill-child --propagation private --mount-proc bash -ec "$@"
"""
"""Whatever the script has started ends with it."""
PREPARE = r"""
groups=$0; state=$PENGUIN_STATE_DIR; python=$1; shift
# Namespaces and disks of a lab outside, which it could not remove else, or which would vanish from
# here while the script runs.
cut -d' ' -f2 /proc/self/mounts | grep -E '^/run/netns|/lab/hosts/' | sort -r |
  while read -r mounted; do umount -l "$(printf %b "$mounted")"; done || true
mount -t tmpfs tmpfs /run; mkdir /run/lock /run/systemd; ip link set lo up
mount -t tmpfs tmpfs /dev/shm  # processes of others could not be seen in what they left there
umount "$groups"; mount -t cgroup2 cgroup2 "$groups"
"""


@contextmanager
def own_state(name: str) -> Iterator[Path]:
    """Yield a state directory on a disk that can hold hosts, in a directory of this name."""
    directory = state_dir() / APART / name
    (directory / "state").mkdir(parents=True)
    yield directory / "state"
    subprocess.run(["rm", "-r", "--one-file-system", directory], check=True)


def run_apart(
    script: str, *arguments: str, state: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of Bash with variables `groups`, `state`, `python`, and these arguments."""
    groups = cgroups.root().parent
    own = groups / f"labtest-{uuid.uuid4().hex[:8]}"
    try:
        return subprocess.run(
            ["bash", "-ec", ISOLATE, own, PREPARE + script, groups, sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=checkout(),
            env={
                **os.environ,
                **variables,
                "PENGUIN_STATE_DIR": str(state),
                "PATH": f"/usr/sbin:/sbin:{os.environ['PATH']}",
            },
        )
    finally:
        cgroups.kill(own)
