"""Removes everything a lab left on this machine, however it ended. Layers stay (a cache)."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from lab import cgroups, network
from lab.commands import run
from lab.place import FILE, LabError

HOSTS = "hosts"
"""Directory of the guests' disks below the lab's."""
NSPAWN = Path("/run/systemd/nspawn")


def clear(directory: Path) -> None:
    """End guests and builds, then remove mounts, network and disks. Twice is harmless.

    Only for the holder of the machine's lab lock: it takes what another lab uses, too.
    """
    cgroups.kill(cgroups.root())
    for place in mounts(directory):
        unmount(place)
    network.down()
    if left := mounts(directory):
        raise LabError(
            "lab.mount_remains",
            f"{left[0]} is still mounted",
            remedy="end what uses it, then `penguin lab down` again",
            where=left[0],
        )
    shutil.rmtree(directory / HOSTS, ignore_errors=True)
    for place in (NSPAWN / "propagate").glob(f"{network.PREFIX}*"):
        shutil.rmtree(place)
    for place in (NSPAWN / "propagate", NSPAWN / "locks", NSPAWN):
        with suppress(OSError):
            place.rmdir()  # where nobody else's guest has something in it
    (directory / FILE).unlink(missing_ok=True)


def unmount(place: Path) -> None:
    """Unmount a guest's disk, and remove the lock that nspawn keeps of it."""
    seen = place.stat()
    run("umount", str(place))
    (NSPAWN / "locks" / f"inode-{seen.st_dev}:{seen.st_ino}").unlink(missing_ok=True)


def mounts(directory: Path) -> list[Path]:
    """Return what is mounted below a directory, deepest first."""
    places = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        place = Path(line.split()[1].replace("\\040", " "))
        if place.is_relative_to(directory):
            places.append(place)
    return sorted(places, key=lambda place: len(place.parts), reverse=True)
