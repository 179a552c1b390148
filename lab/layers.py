"""Root file systems for guests: built once, named by a digest of their content."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import cgroups, leftovers
from lab.commands import run
from lab.faults import MACHINE_LACKS

BASE = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "openssh-server",
    "python3",
    "python3-apt",
    "iproute2",
    "iputils-ping",
    "ca-certificates",
    "sudo",
    "procps",
    "netbase",
    "gpgv",
    "less",
)
"""The packages of the provider's Debian image; the playbooks install everything else."""
MAIL = (
    "postfix",
    "postfix-pcre",
    "dovecot-core",
    "dovecot-lmtpd",
    "rspamd",
    "redis-server",
    "knot",
    "knot-dnsutils",
    "unbound",
    "ssl-cert",
    "isync",
)
"""The packages that the lab's own guests (DNS, receiver, and a mail client) need in addition."""
GOLDEN = (
    "chrony",
    "dns-root-data",
    "docker-cli",
    "docker-compose",
    "docker.io",
    "dovecot-core",
    "iptables",
    "nftables",
    "postfix",
    "unbound",
)
"""The packages that the playbooks install, for hosts that begin with them."""
GOLDEN_DISABLED, GOLDEN_MASKED = ("chrony", "unbound"), ("docker", "dovecot", "postfix")
"""Their services that do not start before a role has configured, and enables or unmasks, them."""
CONTAINERS = (
    "bind9-dnsutils",
    "curl",
    "dns-root-data",
    "dovecot-auth-lua",
    "dovecot-imapd",
    "dovecot-sieve",
    "dovecot-submissiond",
    "libnginx-mod-mail",
    "nginx-light",
    "postfix-lmdb",
    "python3-cryptography",
    "python3-dnspython",
    "python3-yaml",
)
"""The packages that the stand-in for Mailu's images needs beyond those two."""
SERVICES = ("postfix", "dovecot", "rspamd", "redis-server", "knot", "unbound")
"""Units that the packages enable; a guest enables those that it needs."""
SUITE = "bookworm"
"""Of the lab's own guests, and of the machine, whose package sources name it."""
HOST_SUITE = "trixie"
"""Of the hosts that the provider sells: Debian 13."""
HOST_SOURCES = "host-sources"
"""Directory of a build: the machine's package sources for the suite of hosts."""
FETCHING = "fetching"
"""File of a build: how packages are fetched."""
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
"""Where Debian keeps its own sources; other files beside them are read after these."""
ACQUIRE = re.compile(r"^Acquire::(https?|Retries|Force|Check-)", re.IGNORECASE)
"""Lines of apt's configuration about how packages are fetched: mainly proxies."""

SSH = "PermitRootLogin yes\nPasswordAuthentication yes\n"
"""A new VPS admits root with the ordered password."""
APT = "deb [trusted=yes] http://198.18.0.2:8099/ ./\n"
"""Nothing outside is reachable: the lab's own repository is the only source."""

EXTEND = r"""
cg=$0; lower=$1; dir=$2; packages=$3; services=$4; sources=$5; reach=$6
mkdir -p "$cg"; echo $$ > "$cg/cgroup.procs"
mkdir "$dir/root" "$dir/scratch" "$dir/m"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$dir/root,workdir=$dir/scratch" "$dir/m"
cd "$dir/m"
mount -t proc proc proc; mount -t tmpfs tmpfs run; mount --rbind /dev dev
cp --remove-destination /etc/resolv.conf etc/resolv.conf
cp etc/apt/sources.list ../sources; : > etc/apt/sources.list
cp "$sources" etc/apt/sources.list.d/
cp "$reach" etc/apt/apt.conf.d/00reach
borrowed=  # keys and lists of mirrors that the sources name
for file in $(grep -oE '/[^][ ,:]+\.(gpg|asc|list)' "$sources"); do
  if [ -f "$file" ] && [ ! -e ".$file" ]; then
    mkdir -p ".$(dirname "$file")"; cp "$file" ".$file"; borrowed="$borrowed .$file"
  fi
done
printf '#!/bin/sh\nexit 101\n' > usr/sbin/policy-rc.d; chmod 755 usr/sbin/policy-rc.d
DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . bash -ec '
  apt-get update -qq
  echo "postfix postfix/main_mailer_type select Internet Site" | debconf-set-selections
  apt-get install -yqq --no-install-recommends $0 >/dev/null
  systemctl disable -q $1
  apt-get clean; rm -rf /var/lib/apt/lists/* /usr/sbin/policy-rc.d
' "$packages" "$services"
rm -f etc/apt/apt.conf.d/00reach "etc/apt/sources.list.d/$(basename "$sources")" $borrowed
cp ../sources etc/apt/sources.list
"""


class Layers:
    """The layers on this machine; `progress` reports the building of one.

    `build_base` creates a bare root in a directory, of a suite and from a file of package sources.
    """

    def __init__(
        self,
        cache: Path,
        progress: Callable[[str], None],
        *,
        sources: Sequence[Path] = SOURCES,
        build_base: Callable[[Path, str, Path], None] | None = None,
    ) -> None:
        self._directory = cache / leftovers.CACHE / "layers"
        self._progress = progress
        self._sources = sources
        self._build_base = build_base or self._bootstrap

    def base(self) -> Path:
        """Return the bare root of the lab's own guests, built when missing."""
        sources = sources_file(self._sources)
        made_of = (*BASE, SSH, APT, SUITE, sources.read_text())

        def build(directory: Path) -> None:
            self._build_base(directory, SUITE, sources)

        return self._layer("base", made_of, build, "about 30 s")

    def host(self) -> Path:
        """Return the root of a bare host as the provider delivers it, built when missing."""
        made_of = (*BASE, SSH, APT, HOST_SUITE, _of_hosts(sources_file(self._sources)))

        def build(directory: Path) -> None:
            self._build_base(directory, HOST_SUITE, host_sources(directory, self._sources))

        return self._layer("host", made_of, build, "about 20 s")

    def golden(self) -> Path:
        """Return the layer above `host` with the packages that the playbooks install."""
        host = self.host()

        def build(directory: Path) -> None:
            sources = host_sources(directory, self._sources)
            self._extend([host], directory, GOLDEN, GOLDEN_DISABLED, sources)
            for service in GOLDEN_MASKED:
                unit = directory / "root/etc/systemd/system" / f"{service}.service"
                unit.symlink_to("/dev/null")

        made_of = (*GOLDEN, *GOLDEN_DISABLED, *GOLDEN_MASKED, host.parent.name, EXTEND)
        return self._layer("golden", made_of, build, "about 40 s")

    def mail(self) -> Path:
        """Return the upper layer with mail and DNS servers; its lower layer is `base`."""
        return self._above([self.base()], "mail", MAIL, SERVICES)

    def containers(self) -> Path:
        """Return the layer above `mail` whose sum is the root of containers."""
        return self._above([self.mail(), self.base()], "containers", CONTAINERS, ("nginx",))

    def _above(
        self, lower: list[Path], name: str, packages: tuple[str, ...], services: tuple[str, ...]
    ) -> Path:
        """Return a layer with further packages, whose services do not start by themselves."""

        def build(directory: Path) -> None:
            self._extend(lower, directory, packages, services, sources_file(self._sources))

        made_of = (*packages, *services, lower[0].parent.name, EXTEND)
        return self._layer(name, made_of, build, "about 20 s")

    def _extend(
        self,
        lower: Sequence[Path],
        directory: Path,
        packages: Sequence[str],
        services: Sequence[str],
        sources: Path,
    ) -> None:
        roots = ":".join(map(str, lower))
        arguments = (roots, str(directory), " ".join(packages), " ".join(services), str(sources))
        extend = ("unshare", "-m", "-p", "-f", "--propagation", "private", "bash", "-ec")
        group = str(cgroups.root() / cgroups.BUILD)
        run(*extend, EXTEND, group, *arguments, str(_fetching(directory)))

    def _layer(
        self, name: str, made_of: tuple[str, ...], build: Callable[[Path], None], duration: str
    ) -> Path:
        digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
        finished = self._directory / f"{name}-{digest}"
        if not finished.exists():
            self._progress(f"building the {name} layer, {duration}, once on this machine")
            building = self._directory / f".{name}-{digest}"
            shutil.rmtree(building, ignore_errors=True)  # what a killed build left
            building.mkdir(parents=True)
            build(building)
            for part in ("scratch", "m", "sources", HOST_SOURCES, FETCHING):
                _remove(building / part)
            building.rename(finished)
        return finished / "root"

    def _bootstrap(self, directory: Path, suite: str, sources: Path) -> None:
        root = directory / "root"
        bootstrap = ("mmdebstrap", "-q", "--variant=minbase", f"--include={','.join(BASE)}")
        options = (f"--aptopt={_fetching(directory)}", suite, str(root), str(sources))
        # It mounts the machine's /sys and /dev below the new root: in a namespace of its own, or a
        # killed build would leave them in the directory that is removed later.
        namespace = ("unshare", "-m", "--propagation", "private")
        run(*cgroups.inside(cgroups.BUILD, *namespace, *bootstrap, *options))
        (root / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)
        for key in root.glob("etc/ssh/ssh_host_*"):
            key.unlink()
        (root / "etc/machine-id").write_text("")
        (root / "etc/ssh/sshd_config.d/50-provider.conf").write_text(SSH)
        for source in (root / "etc/apt/sources.list.d").iterdir():
            source.unlink()
        (root / "etc/apt/sources.list").write_text(APT)
        for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
            (root / "etc/systemd/system" / timer).symlink_to("/dev/null")  # it could only hang


def sources_file(usual: Sequence[Path] = SOURCES) -> Path:
    """Return the machine's own package sources; raises MACHINE_LACKS."""
    others = sorted(usual[0].parent.glob("*"))
    for file in (*usual, *others):
        if file.suffix in (".list", ".sources") and file.exists() and _offers_suite(file):
            return file
    raise MACHINE_LACKS(what=f"package sources of Debian {SUITE}, as in {usual[0]}")


def host_sources(directory: Path, usual: Sequence[Path] = SOURCES) -> Path:
    """Write the package sources of hosts below a directory: the machine's, for their suite."""
    machines = sources_file(usual)
    file = directory / HOST_SOURCES / machines.name
    file.parent.mkdir()
    file.write_text(_of_hosts(machines))
    return file


def _of_hosts(sources: Path) -> str:
    return sources.read_text().replace(SUITE, HOST_SUITE)


def _offers_suite(file: Path) -> bool:
    """Tell whether a file has a line, or in the newer format a stanza, for our suite's `main`."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    entries = "\n".join(lines).split("\n\n") if file.suffix == ".sources" else lines
    return any({SUITE, "main"} <= set(entry.split()) for entry in entries)


def _fetching(directory: Path) -> Path:
    """Write how this machine's apt fetches packages, for an apt in another root."""
    settings = run("apt-config", "dump").splitlines()
    file = directory / FETCHING
    file.write_text("".join(f"{line}\n" for line in settings if ACQUIRE.match(line)))
    return file


def _remove(directory: Path) -> None:
    if directory.is_dir():
        shutil.rmtree(directory)
    else:
        directory.unlink(missing_ok=True)
