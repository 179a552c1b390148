"""A host that has as much memory as was bought: its page cache counts, and nothing else's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab import cgroups, network
from lab.faults import MACHINE_LACKS
from tests.bench.sandboxed import pss

MOUNTS = Path("/proc/self/mounts")
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class SmallGuest:
    """A group of the machine's memory controller with all processes of a guest.

    They were started outside of it. What they had by then is not counted, what they get is.
    """

    group: Path
    guest: Path
    """The control group of the lab that has its processes."""

    @property
    def is_version_2(self) -> bool:
        """Whether the controller is of the unified hierarchy."""
        return (self.group / "memory.events").exists()

    def take(self) -> None:
        """Take all processes in; what these start is in it, too."""
        while missing := set(cgroups.pids(self.guest)) - self._pids():
            for pid in missing:
                with suppress(OSError):  # it has ended
                    (self.group / "cgroup.procs").write_text(str(pid))

    def killed(self) -> int:
        """Return how many processes the kernel has killed for want of memory."""
        file = "memory.events" if self.is_version_2 else "memory.oom_control"
        lines = (self.group / file).read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def peak(self) -> float:
        """Return the most that it had, page cache included, in MB."""
        file = "memory.peak" if self.is_version_2 else "memory.max_usage_in_bytes"
        return int((self.group / file).read_text()) / MEGABYTE

    def set_size(self) -> float:
        """Return the proportional set size of all processes, in MB."""
        total = 0.0
        for pid in cgroups.pids(self.guest):
            with suppress(OSError):
                total += pss(pid)
        return total

    def _pids(self) -> set[int]:
        return {int(pid) for pid in (self.group / "cgroup.procs").read_text().split()}


@contextmanager
def small(service_id: int, megabytes: int) -> Iterator[SmallGuest]:
    """Limit a host of the lab during the block; raises MACHINE_LACKS."""
    name = f"{network.PREFIX}{service_id}"
    guest = cgroups.root() / name
    group = _controller() / f"penguin-{name}"
    group.mkdir()
    try:
        version_2 = (group / "memory.max").exists()
        limit = "memory.max" if version_2 else "memory.limit_in_bytes"
        (group / limit).write_text(str(megabytes * MEGABYTE))
        made = SmallGuest(group, guest)
        made.take()
        yield made
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()


def _controller() -> Path:
    """Return where the memory controller of version 1 is mounted.

    That of version 2 would have to be delegated through the lab's own groups.
    """
    for line in MOUNTS.read_text().splitlines():
        _, path, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(path)
    raise MACHINE_LACKS(what="the memory controller of cgroup version 1")
