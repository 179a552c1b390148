"""One machine of the lab: an overlay disk, a network port, and systemd booted by nspawn."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kit.faults import Fault
from lab import cgroups, leftovers, network
from lab.commands import environment, run
from lab.faults import FAILED
from lab.ports import Rule

REBOOT = 133
"""Exit code of nspawn when the guest asked to be booted again."""
BOOT_DEADLINE = 60.0
STOP_DEADLINE = 40.0
RESOLVER = "198.18.0.53"

BOOT = r"""
group=$0; name=$1; root=$2; host=$3; namespace=$4; docker=$5
if mountpoint -q /sys/fs/cgroup; then umount -R -l /sys/fs/cgroup; fi
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$group/$name"; echo $$ > "/sys/fs/cgroup/$group/$name/cgroup.procs"
exec systemd-nspawn -q -D "$root" -M "$name" --hostname="$host" \
  --network-namespace-path="/run/netns/$namespace" --capability=CAP_NET_ADMIN,CAP_NET_RAW \
  --system-call-filter='@keyring bpf' --register=no --keep-unit --console=pipe \
  --resolv-conf=off --timezone=off --link-journal=no --bind="$docker:/var/lib/docker" -b
"""
"""Boots in a mount namespace of its own that has version 2 control groups only: nspawn would pass
the machine's mixed tree to the guest. Each guest has a group of its own: otherwise guests would
stop each other's units. Docker's images and containers are overlays, which cannot lie on the
guest's own overlay: its directory is one of the machine's."""


class Guest:
    """A guest, and the thread that boots it again when it asks for a reboot."""

    def __init__(
        self,
        directory: Path,
        ident: str,
        name: str,
        addresses: Sequence[str],
        layers: Sequence[Path],
    ) -> None:
        self.name = name
        self.addresses = list(addresses)
        self.root = directory / ident / "m"
        self._ident = ident
        self._directory = directory / ident
        self._docker = self._directory / "docker"
        self._layers = layers
        self._machine = f"{network.PREFIX}{ident}"
        self._boots = 0
        self._powered = False
        self._changed = threading.Condition()
        self._supervisor: threading.Thread | None = None

    def make(self) -> None:
        """Create the disk, with a host name and a host key of its own; it is not booted yet."""
        upper, scratch = self._directory / "up", self._directory / "scratch"
        for path in (upper, scratch, self.root, self._docker):
            path.mkdir(parents=True)
        lower = ":".join(str(layer) for layer in self._layers)
        options = f"lowerdir={lower},upperdir={upper},workdir={scratch}"
        _prepare("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))
        (self.root / "etc/hostname").write_text(f"{self.name}\n")
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost {self.name}\n")
        resolver = self.root / "etc/resolv.conf"
        resolver.unlink(missing_ok=True)
        resolver.write_text(f"nameserver {RESOLVER}\n")
        key = str(self.root / "etc/ssh/ssh_host_ed25519_key")
        _prepare("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", key)

    def inside_disk(self, script: str, *arguments: str, stdin: str = "") -> str:
        """Run a shell script on the disk before it is booted."""
        return _prepare("chroot", str(self.root), "sh", "-ec", script, *arguments, stdin=stdin)

    def inside(self, script: str, *arguments: str, stdin: str = "") -> str:
        """Run a shell script in the running guest."""
        enter = ("nsenter", "-t", str(self._init()), "-m", "-u", "-i", "-n", "-p")
        return run(*enter, "sh", "-ec", script, *arguments, stdin=stdin)

    def boot(self) -> None:
        """Switch it on, unless it is on; returns when SSH answers."""
        if not self._powered:
            if self._supervisor is not None:
                self._supervisor.join()
            self._powered = True
            self._supervisor = threading.Thread(
                target=self._supervise, name=f"guest-{self._ident}", daemon=True
            )
            self._supervisor.start()
        self._wait_for_banner()

    def shutdown(self) -> None:
        """Ask it to power off; cut its power when it does not."""
        self._end(signal.SIGTERM)

    def cut(self) -> None:
        """Cut its power without warning."""
        self._end(None)

    def reboot(self) -> None:
        """Ask it to restart; returns when SSH answers again."""
        with self._changed:
            before = self._boots
            os.kill(self._init(), signal.SIGINT)  # to systemd: Control-Alt-Delete was pressed
            if not self._changed.wait_for(lambda: self._boots > before, STOP_DEADLINE):
                raise self._failed("does not restart")
        self._wait_for_banner()

    def protect(self, rules: Sequence[Rule]) -> None:
        """Let only this through its port, whether it runs or not."""
        network.protect(self._ident, rules)

    def expose(self) -> None:
        """Let everything through its port."""
        network.expose(self._ident)

    def attach(self, address: str) -> None:
        """Permit a further address, and add it where the guest runs."""
        self.addresses.append(address)
        if self._powered:
            network.permit(self._ident, address)

    def detach(self, address: str) -> None:
        """Remove an address."""
        self.addresses.remove(address)
        if self._powered:
            network.forbid(self._ident, address)

    def prefer(self, address: str) -> None:
        """Make an address the first one."""
        self.addresses.remove(address)
        self.addresses.insert(0, address)
        if self._powered:
            network.prefer(self._ident, address)

    def destroy(self) -> None:
        """End it and remove its disk."""
        self.cut()
        network.expose(self._ident)
        for path in leftovers.mounts(self._directory):
            leftovers.unmount(path)
        # Containers have many files, for which `shutil` takes twice the processor time.
        run("rm", "-rf", "--one-file-system", str(self._directory))
        shutil.rmtree(leftovers.NSPAWN / "propagate" / self._machine, ignore_errors=True)

    @property
    def _group(self) -> Path:
        return cgroups.root() / self._machine

    def _supervise(self) -> None:
        try:
            self._run()
        finally:
            self._powered = False  # also after a failure: callers that wait return at once

    def _run(self) -> None:
        """Boot it, and again as often as it asks for a reboot."""
        boot = ("unshare", "-m", "--propagation", "slave", "bash", "-ec", BOOT, cgroups.ROOT)
        with (self._directory / "console.log").open("ab") as console:
            while self._powered:
                namespace = network.connect(self._ident, self.addresses)
                process = subprocess.Popen(
                    (*boot, self._machine, str(self.root), self.name, namespace, str(self._docker)),
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    env={**environment(), "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
                )
                with self._changed:
                    self._boots += 1
                    self._changed.notify_all()
                code = process.wait()
                cgroups.kill(self._group)
                # A real host loses rules and routes with its power: the namespace is removed, too.
                network.disconnect(self._ident, self.addresses)
                if code != REBOOT:
                    return

    def _end(self, request: signal.Signals | None) -> None:
        supervisor = self._supervisor
        self._powered = False
        if supervisor is None:
            return
        if request is not None and supervisor.is_alive():
            for pid in cgroups.pids(self._group / "supervisor")[:1]:
                with suppress(ProcessLookupError):  # it was about to end
                    os.kill(pid, request)
            supervisor.join(STOP_DEADLINE)
        while supervisor.is_alive():
            cgroups.kill(self._group)
            supervisor.join(0.1)

    def _init(self) -> int:
        """Return the machine's process id of the guest's first process."""
        for pid in cgroups.pids(self._group / "payload"):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended meanwhile
            line = next(line for line in status.splitlines() if line.startswith("NSpid:"))
            if line.split()[-1] == "1":
                return pid
        raise self._failed("is off")

    def _wait_for_banner(self) -> None:
        deadline = time.monotonic() + BOOT_DEADLINE
        while True:
            try:
                with network.connection(self._ident, 22, 0.1) as stream:
                    stream.settimeout(2)
                    if stream.recv(4) == b"SSH-":
                        return
            except OSError:
                pass  # not yet
            if time.monotonic() > deadline or not self._powered:
                raise self._failed("does not answer on port 22")
            time.sleep(0.02)

    def _failed(self, reason: str) -> Fault:
        console = self._directory / "console.log"
        return FAILED(part=f"guest {self.name}", reason=reason, where=console)


def _prepare(*command: str, stdin: str = "") -> str:
    """Run a program that uses a disk in a control group, which the cleanup after a kill ends."""
    return run(*cgroups.inside(cgroups.DISKS, *command), stdin=stdin)
