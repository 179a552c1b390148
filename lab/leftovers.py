"""Removes everything a lab left on this machine, however it ended. Layers stay (a cache)."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from lab import cgroups, network
from lab.commands import run
from lab.faults import REMAINS
from lab.lock import MACHINE_LOCK, holder_of
from lab.running import FILE

HOSTS = "hosts"
"""Directory of the guests' disks below the lab's."""
REGISTRY = "registry"
"""Directory of the container registry's socket, keys and log, likewise."""
ACME = "acme"
"""Directory of the public authority's keys and log, likewise."""
CACHE = "lab"
"""Directory of layers and packages below the cache; unfinished ones begin with a dot."""
NSPAWN = Path("/run/systemd/nspawn")
MOUNTS = Path("/proc/self/mounts")


def of(directory: Path, machine_lock: Path = MACHINE_LOCK) -> dict[str, list[str]]:
    """Return what a killed lab left, by kind; kinds without leftovers are not in it.

    What exists once on the machine counts only while no lab runs: it may be another checkout's.
    """
    left = {
        "disks": [str(path) for path in (directory / HOSTS).glob("*")],
        "mounts": [str(path) for path in mounts(directory)],
    }
    if holder_of(machine_lock) is None:
        left |= {
            "namespaces": network.namespaces(),
            "links": network.links(),
            "processes": [str(pid) for pid in cgroups.pids_of_lab()],
            "lock file": [str(machine_lock)] if machine_lock.exists() else [],
        }
    return {kind: items for kind, items in left.items() if items}


def clear(*directories: Path) -> None:
    """End guests and builds, then remove mounts, network and disks; idempotent.

    Only for the holder of the machine's lab lock: it removes what any lab uses.
    """
    cgroups.kill(cgroups.root())
    for path in (path for directory in directories for path in mounts(directory)):
        unmount(path)
    network.down()
    for directory in directories:
        _remove_disks(directory)
    for path in (NSPAWN / "propagate").glob(f"{network.PREFIX}*"):
        shutil.rmtree(path)
    for path in (NSPAWN / "propagate", NSPAWN / "locks", NSPAWN):
        with suppress(OSError):
            path.rmdir()  # unless it contains files of other guests


def _remove_disks(directory: Path) -> None:
    if left := mounts(directory):
        raise REMAINS(what=f"the mount {left[0]}")
    for part in (REGISTRY, ACME):
        shutil.rmtree(directory / part, ignore_errors=True)
    hosts = directory / HOSTS
    shutil.rmtree(hosts, ignore_errors=True)
    if hosts.exists():
        raise REMAINS(what=f"the directory {hosts}")
    (directory / FILE).unlink(missing_ok=True)


def clear_builds(cache: Path) -> None:
    """Remove layers and packages that were not finished. Only for the machine lock's holder."""
    path = cache / CACHE
    for mounted in mounts(path):
        run("umount", str(mounted))  # or the removal would reach the machine's own /sys
    for unfinished in path.glob("*/.*"):
        shutil.rmtree(unfinished)


def unmount(path: Path) -> None:
    """Unmount a guest's disk, and remove nspawn's lock of it."""
    status = path.stat()
    run("umount", str(path))
    (NSPAWN / "locks" / f"inode-{status.st_dev}:{status.st_ino}").unlink(missing_ok=True)


def mounts(directory: Path) -> list[Path]:
    """Return what is mounted below a directory, deepest first."""
    paths = []
    # Without that file (not Linux) no host can have run.
    for line in MOUNTS.read_text().splitlines() if MOUNTS.exists() else ():
        path = Path(line.split()[1].replace("\\040", " "))
        if path.is_relative_to(directory):
            paths.append(path)
    return sorted(paths, key=lambda path: len(path.parts), reverse=True)
