"""Reports what this machine lacks to run real hosts; tests it in temporary namespaces."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kit.faults import Fault
from lab import cgroups, layers, network
from lab.commands import SYSTEM_PATH, environment

COMMANDS = (
    "systemd-nspawn",
    "ip",
    "nft",
    "unshare",
    "nsenter",
    "mount",
    "chroot",
    "mmdebstrap",
    "apt-get",
    "apt-ftparchive",
    "ssh-keygen",
    "openssl",
    "docker-registry",
)
PACKAGES = (
    "mmdebstrap systemd-container iproute2 nftables openssh-client apt-utils util-linux openssl "
    "docker-registry"
)

TRIAL = r"""
fail() { echo "$1"; exit 1; }
d=$(mktemp -d "$0/check.XXXXXX") || fail "cannot write to $0"
trap 'umount "$d/m" "$d/c" 2>/dev/null; rm -rf "$d"' EXIT
mkdir "$d/l" "$d/u" "$d/s" "$d/m" "$d/c"
mount -t overlay overlay -o "lowerdir=$d/l,upperdir=$d/u,workdir=$d/s" "$d/m" 2>/dev/null ||
  fail "no overlay on the file system of $0"
mount -t cgroup2 cgroup2 "$d/c" 2>/dev/null || fail "cgroup2 cannot be mounted"
g=$d/c/labcheck.$$  # another check may run at the same time
mkdir "$g" 2>/dev/null || fail "cgroup2 is read-only"
[ -e "$g/cgroup.kill" ] && k=yes || k=no; rmdir "$g"
[ $k = yes ] || fail "control groups cannot be ended at once (Linux 5.14 or newer is needed)"
ip link add b0 type bridge 2>/dev/null && ip link add v0 type veth peer name v1 &&
  ip link set v0 master b0 || fail "no bridge or veth"
nft add table bridge t 2>/dev/null || fail "nftables has no bridge family"
"""


def _attempt(*command: str) -> str | None:
    """Return what a failing command printed; None when it succeeded."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    if result.returncode == 0:
        return None
    return (result.stdout.strip() or result.stderr.strip() or "it failed").splitlines()[0]


@dataclass(frozen=True)
class Machine:
    """The properties of a machine that are checked."""

    system: str = field(default_factory=platform.system)
    is_root: bool = field(default_factory=lambda: os.geteuid() == 0)
    commands: Sequence[str] = COMMANDS
    attempt: Callable[..., str | None] = _attempt
    """Runs a command; returns its error, None when it succeeded."""
    sources: Sequence[Path] = layers.SOURCES
    mounts: Path = cgroups.MOUNTS
    is_writable: Callable[[Path], bool] = lambda path: os.access(path, os.W_OK)
    conflicting_route: Callable[[], str | None] = network.conflicting_route


def missing(directory: Path, machine: Machine | None = None) -> str | None:
    """Return in one line what this machine lacks for real hosts, None when they can run.

    `directory` is for the hosts' disks; it is created. Takes less than 0.1 s.
    """
    machine = machine or Machine()
    if machine.system != "Linux":
        return "not Linux"
    if not machine.is_root:
        return "not root"
    path = os.pathsep.join((SYSTEM_PATH, os.environ.get("PATH", "")))
    absent = [name for name in machine.commands if shutil.which(name, path=path) is None]
    if absent:
        return f"commands not found: {', '.join(absent)} (apt install {PACKAGES})"
    if any(mark in str(directory) for mark in ":,\\"):
        return f"no overlay mount below {directory}: its name has a colon, comma or backslash"
    directory.mkdir(parents=True, exist_ok=True)
    if machine.attempt("unshare", "-m", "-n", "-p", "-u", "-i", "-f", "true") is not None:
        return "namespaces are not permitted (CAP_SYS_ADMIN)"
    trial = ("unshare", "-m", "-n", "--propagation", "private", "sh", "-c", TRIAL)
    return machine.attempt(*trial, str(directory)) or _settings_lack(machine)


def _settings_lack(machine: Machine) -> str | None:
    """Return what the machine's settings lack, which cannot be tested in a namespace."""
    try:
        groups = cgroups.root(machine.mounts).parent
        layers.sources_file(machine.sources)
    except Fault as error:
        return str(error)
    if not machine.is_writable(groups):
        return f"control groups are read-only ({groups})"
    if (route := machine.conflicting_route()) is not None:
        return f"the lab's addresses are in use on this machine: {route}"
    return None
