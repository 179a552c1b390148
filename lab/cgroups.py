"""The control groups below `lab`: each process of a guest is in one, so that none is missed."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from kit.faults import Fault
from kit.waiting import wait_until
from lab.faults import MACHINE_LACKS, REMAINS

ROOT, BUILD, DISKS = "lab", "build", "disks"
"""Names of the groups: the whole lab, building of layers, preparing of guests' disks."""
MOUNTS = Path("/proc/self/mounts")
KILL_SECONDS = 20.0
"""Within which killed processes must be gone."""
ENTER = 'mkdir -p "$0"; echo $$ > "$0/cgroup.procs"; exec "$@"'


def root(mounts: Path = MOUNTS) -> Path:
    """Return the group of the whole lab, whether it exists or not."""
    for line in mounts.read_text().splitlines():
        _, path, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(path.replace("\\040", " ")) / ROOT
    raise MACHINE_LACKS(what="a mounted cgroup2")


def inside(name: str, *command: str) -> tuple[str, ...]:
    """Return the command that runs `command` in the group `name`."""
    return ("sh", "-ec", ENTER, str(root() / name), *command)


def pids(group: Path) -> list[int]:
    """Return the processes of a group and of those below it."""
    pids: list[int] = []
    for path, _, _ in os.walk(group):  # passes over what is removed meanwhile
        with suppress(OSError):
            pids += [int(pid) for pid in Path(path, "cgroup.procs").read_text().split()]
    return pids


def pids_of_lab() -> list[int]:
    """Return the processes of the whole lab; none where there are no control groups."""
    try:
        return pids(root())
    except (Fault, OSError):
        return []


def kill(group: Path) -> None:
    """End every process of a group and remove the group; idempotent."""
    try:
        (group / "cgroup.kill").write_text("1")
        events = group / "cgroup.events"
        if not wait_until(
            lambda: "populated 1" not in events.read_text(),
            seconds=KILL_SECONDS,
            longest_pause=0.01,
        ):
            raise REMAINS(what=f"a process in {group}")
        for path, _, _ in os.walk(group, topdown=False):
            with suppress(FileNotFoundError):  # removed meanwhile
                Path(path).rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise  # ENODEV: another process removed it meanwhile
