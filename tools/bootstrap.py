"""Prepares a fresh machine for `penguin`; imports only the standard library, and modules of `kit`
that do the same.

Each step first checks whether its work is done, so a second run takes no time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kit import files
from kit.locks import locked
from kit.steps import step

CHECKOUT = Path(__file__).resolve().parent.parent

COMMANDS_TO_PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh": "openssh-client",
    "unshare": "util-linux",
    "apt-ftparchive": "apt-utils",
    "openssl": "openssl",
    "pgbouncer": "pgbouncer",
    "docker-registry": "docker-registry",
    "pebble": "pebble",
}
"""What real lab hosts, the playbooks and the tests need from the distribution."""
APT_LOCK_SECONDS = 300
"""Time limit for apt's lock: a fresh machine may be upgrading itself."""
REFUSE_STARTS = "#!/bin/sh\n# Of PenguinMails' set-up: no package starts a daemon.\nexit 101\n"
BUILD_TOOL = "setuptools"
"""Builds this project, and the locked packages that are published as source only."""
LOCKED = re.compile(r"^\S.*\n(?:\s+\S.*\n)*", re.MULTILINE)
"""A package in the lock file: its line, and those with its hashes."""
FAILED, INTERRUPTED = 1, 130
"""Exit codes."""


class SetupError(Exception):
    """A step failed; the message says what happened, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def main(machine: Machine | None = None, environment: Environment | None = None) -> int:
    """Run all steps; print one line with its duration for each that had work to do."""
    machine, environment = machine or Machine(), environment or Environment()
    files.protect_new()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(FAILED))  # so that every step cleans up
    try:
        check_python()
        with alone(CHECKOUT):
            for name, needed, act in (
                ("system packages", machine.is_unready, machine.install),
                ("python environment", environment.is_stale, environment.make),
                ("penguin", environment.project_is_stale, environment.install_project),
            ):
                if needed():
                    with step(name):
                        act()
        engine = [str(environment.directory / "bin" / "penguin"), "engine", "build", "--if-missing"]
        return subprocess.run(engine, cwd=CHECKOUT, check=False).returncode
    except SetupError as error:
        print(f"error[setup.failed]: {error}\n  do: {error.remedy}", file=sys.stderr)
        return FAILED
    except OSError as error:
        remedy = "free the disk or make the path writable, then run it again"
        print(f"error[setup.failed]: {error}\n  do: {remedy}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\ninterrupted; the next run continues", file=sys.stderr)
        return INTERRUPTED


def check_python() -> None:
    """Refuse an interpreter that is too old before anything is changed."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs with any Python
        version = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(f"Python 3.11 or newer is needed, this is {version}", "install python3.11")


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Let one process at a time work on a directory; it is created when missing."""
    directory.mkdir(parents=True, exist_ok=True)
    waiting = "  … waiting for another set-up of this machine"
    with locked(directory, lambda: print(waiting, flush=True)):
        yield


@dataclass(frozen=True)
class Machine:
    """The distribution's packages on this machine."""

    is_root: bool = os.geteuid() == 0
    search: str = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    """Search path of commands: root's own PATH may lack the sbin directories (after `su`)."""
    shared: Path = Path("/var/lib/penguinmails")
    """Of all checkouts of this machine; its lock is held while packages are installed."""
    policy: Path = Path("/usr/sbin/policy-rc.d")
    apt_lists_lock: Path = Path("/var/lib/apt/lists/lock")
    packages: Mapping[str, str] = field(default_factory=lambda: COMMANDS_TO_PACKAGES)
    """Command to package."""

    def is_unready(self) -> bool:
        """Tell whether packages are missing, or a killed set-up left its policy."""
        return bool(self._missing()) or (self._can_install() and self._policy_is_ours())

    def install(self) -> None:
        """Install what is missing without letting any package start a daemon."""
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": self.search}
        with alone(self.shared), self._no_daemons():
            missing = self._missing()
            if not missing:
                return  # another checkout was faster, or only the policy was left
            install = ["apt-get", "install", "-yqq", "--no-install-recommends"]
            install += ["-o", f"DPkg::Lock::Timeout={APT_LOCK_SECONDS}"]
            # An interrupted installation blocks all others until it is finished, and dpkg cannot
            # finish packages without their dependencies. Failures of these commands and of the
            # update do not matter, as long as the packages can be installed in the end.
            attempt(["dpkg", "--force-confold", "--configure", "-a"], environment)
            self._wait_for_apt()
            attempt(["apt-get", "update", "-qq"], environment)
            attempt([*install, "--fix-broken"], environment)
            remedy = "check the machine's package sources, then run it again"
            run([*install, *missing], environment, remedy)

    def _missing(self) -> list[str]:
        """Return the packages to install; none where they could not be installed or used."""
        if not self._can_install():
            return []
        missing = [
            package
            for command, package in self.packages.items()
            if not shutil.which(command, path=self.search)
        ]
        try:
            import ensurepip  # noqa: F401 - Debian ships it apart from Python itself
        except ImportError:
            missing.append("python3-venv")
        return missing

    def _can_install(self) -> bool:
        linux = sys.platform.startswith("linux")
        return linux and self.is_root and shutil.which("apt-get", path=self.search) is not None

    def _wait_for_apt(self) -> None:
        """Return when no other process updates the package lists: the update would fail."""
        if self.apt_lists_lock.exists():
            with self.apt_lists_lock.open("r+") as lock:
                fcntl.lockf(lock, fcntl.LOCK_EX)

    @contextmanager
    def _no_daemons(self) -> Iterator[None]:
        """Refuse service starts while packages are installed; a policy of the machine stays.

        The caller holds the machine's lock: an existing policy of ours was left by a killed
        set-up.
        """
        if self.policy.exists() and not self._policy_is_ours():
            yield
            return
        files.write(self.policy, REFUSE_STARTS, mode=files.EXECUTABLE)
        try:
            yield
        finally:
            self.policy.unlink(missing_ok=True)

    def _policy_is_ours(self) -> bool:
        return self.policy.exists() and self.policy.read_text(errors="replace") == REFUSE_STARTS


COMPILE = """
import compileall, re, sys, sysconfig
packages = sysconfig.get_path("purelib")
rarely_used = re.compile(r"/cloudflare/(resources|types)/(?!__init__|analytics|shared)")
compileall.compile_dir(packages, quiet=2, workers=0, rx=rarely_used)
"""
"""Compiles what is installed, on all cores; pip uses one. Of Cloudflare's SDK, a quarter of
all code, only what an import of it needs: Python may be set to write no compiled files later."""
Run = Callable[["list[str]", "dict[str, str] | None", str], None]


class Environment:
    """The virtual environment of a checkout. `runner` runs its commands."""

    def __init__(self, checkout: Path = CHECKOUT, runner: Run | None = None) -> None:
        self._checkout = checkout
        self._lock = checkout / "requirements" / "lock.txt"
        self._project = checkout / "pyproject.toml"
        self._run = runner or run
        self.directory = checkout / ".venv"
        self._lock_digest = self.directory / ".lock-digest"
        self._project_digest = self.directory / ".project-digest"

    def is_stale(self) -> bool:
        """Tell whether it is missing or was created from another lock file."""
        return _differs(self._lock_digest, self._digest_of_lock())

    def make(self) -> None:
        """Create it from the lock file, hashes checked."""
        remedy = "check that the package index can be reached, then run it again"
        make = [sys.executable, "-m", "venv", "--clear", str(self.directory)]
        self._run(make, None, "install python3-venv")
        # Without isolation, since pip would fetch the tools of an isolated build without a hash.
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as tools:
            tools.write(self._locked(BUILD_TOOL))
            tools.flush()
            self._pip(["--require-hashes", "--only-binary=:all:", "-r", tools.name], remedy)
        self._install_locked(remedy)
        self._run([str(self.directory / "bin" / "python"), "-c", COMPILE], None, remedy)
        self._lock_digest.write_text(self._digest_of_lock())

    def project_is_stale(self) -> bool:
        """Tell whether packages or commands of ours have changed since they were installed."""
        return _differs(self._project_digest, self._digest_of_project())

    def install_project(self) -> None:
        """Install this project from the checkout: a link to it, and its commands."""
        remedy = "correct pyproject.toml, then run it again"
        self._pip(["--no-deps", "--no-build-isolation", "-e", str(self._checkout)], remedy)
        self._project_digest.write_text(self._digest_of_project())

    def _install_locked(self, remedy: str) -> None:
        """Install all packages, by one pip for each core: it reads the lists of all versions."""
        # The lock file lists all packages: nothing is left to resolve.
        options = ["--require-hashes", "--no-build-isolation", "--no-deps", "--no-compile"]
        packages = LOCKED.findall(self._lock.read_text())
        parts = min(os.cpu_count() or 1, len(packages))
        with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(parts) as at_once:
            lists = [Path(directory, f"{part}.txt") for part in range(parts)]
            for part, file in enumerate(lists):
                file.write_text("".join(packages[part::parts]))
            list(at_once.map(lambda file: self._pip([*options, "-r", str(file)], remedy), lists))

    def _pip(self, arguments: list[str], remedy: str) -> None:
        pip = [str(self.directory / "bin" / "python"), "-m", "pip", "install"]
        self._run([*pip, "-q", "--disable-pip-version-check", *arguments], None, remedy)

    def _locked(self, package: str) -> str:
        """Return the lines of one package, with its hashes."""
        for lines in LOCKED.findall(self._lock.read_text()):
            if lines.startswith(f"{package}=="):
                return str(lines)
        raise SetupError(f"{self._lock} does not list {package}", "run `make lock`")

    def _digest_of_lock(self) -> str:
        """Return a digest of locked dependencies, interpreter and the checkout's path."""
        parts = (self._lock.read_bytes(), sys.version.encode(), str(self._checkout).encode())
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def _digest_of_project(self) -> str:
        return hashlib.sha256(self._project.read_bytes()).hexdigest()


def _differs(file: Path, digest: str) -> bool:
    return not file.exists() or file.read_text() != digest


def attempt(command: list[str], environment: dict[str, str]) -> None:
    """Run a command silently, and ignore its failure."""
    null = subprocess.DEVNULL
    subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=null, stderr=null, check=False)


def run(command: list[str], environment: dict[str, str] | None, remedy: str) -> None:
    """Run a command silently; on failure raise with the end of its output."""
    with tempfile.TemporaryFile("w+") as output:
        status = subprocess.run(
            command, cwd=CHECKOUT, env=environment, stdout=output, stderr=output, check=False
        ).returncode
        if status:
            output.seek(0)
            tail = "\n    ".join(output.read().strip().splitlines()[-5:])
            raise SetupError(f"`{command[0]}` exited with {status}:\n    {tail}", remedy)


if __name__ == "__main__":
    sys.exit(main())
