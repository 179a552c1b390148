"""Brings a fresh machine to where `penguin` runs; needs nothing but the Python it is run with
and, of ours, what `kit` has of the standard library.

Each step looks first whether its work is done, so a second run takes no time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kit import files
from kit.locks import locked

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
LOCK = CHECKOUT / "requirements" / "lock.txt"
PROJECT = CHECKOUT / "pyproject.toml"
STAMP = VENV / ".lock-digest"
PROJECT_STAMP = VENV / ".project-digest"

COMMANDS_TO_PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh": "openssh-client",
    "unshare": "util-linux",
    "apt-ftparchive": "apt-utils",
    "openssl": "openssl",
}
"""What real lab hosts and the playbooks need from the distribution."""
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
"""Where commands are looked for: root's own PATH may lack the sbin directories (after `su`)."""
SHARED = Path("/var/lib/penguinmails")
"""Of all checkouts of this machine; its lock is held while packages are installed."""
APT_LISTS_LOCK = Path("/var/lib/apt/lists/lock")
APT_PATIENCE = 300
"""Seconds to wait for apt's lock: a fresh machine may be upgrading itself."""
POLICY = Path("/usr/sbin/policy-rc.d")
REFUSE_STARTS = "#!/bin/sh\n# Of PenguinMails' set-up: no package starts a daemon.\nexit 101\n"


FAILED, INTERRUPTED = 1, 130
"""Exit codes."""


class SetupError(Exception):
    """A step failed; the message says what happened, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def main() -> int:
    """Run all steps; print one line with its duration for each that had work to do."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(FAILED))  # so that every step tidies up
    try:
        check_python()
        with alone(CHECKOUT):
            for name, needed, act in (
                ("system packages", machine_unready, install_packages),
                ("python environment", environment_stale, make_environment),
                ("penguin", project_stale, install_project),
            ):
                if needed():
                    step(name, act)
        engine = [str(VENV / "bin" / "penguin"), "engine", "build", "--if-missing"]
        return subprocess.run(engine, cwd=CHECKOUT, check=False).returncode
    except SetupError as error:
        print(f"error[setup.failed]: {error}\n  do: {error.remedy}", file=sys.stderr)
        return FAILED
    except OSError as error:
        remedy = "free the place it names, or make it writable, then run it again"
        print(f"error[setup.failed]: {error}\n  do: {remedy}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\ninterrupted; the next run goes on from here", file=sys.stderr)
        return INTERRUPTED


def check_python() -> None:
    """Refuse an interpreter that is too old before anything is changed."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs before the right Python is known
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(f"Python 3.11 or newer is needed, this is {found}", "install python3.11")


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Let one process at a time work on a directory; it is made when missing."""
    directory.mkdir(parents=True, exist_ok=True)
    waiting = "  … waiting for another set-up that runs here"
    with locked(directory, lambda: print(waiting, flush=True)):
        yield


def step(name: str, act: Callable[[], None]) -> None:
    """Run one step under a line that counts its seconds while a person watches."""
    started = time.monotonic()
    done = threading.Event()

    def tick() -> None:
        while not done.wait(1):
            print(f"\r  … {name}  {time.monotonic() - started:.0f} s", end="", flush=True)

    ticker = threading.Thread(target=tick, daemon=True)
    if sys.stdout.isatty():
        ticker.start()
    else:
        print(f"  … {name}", flush=True)
    try:
        act()
    finally:
        done.set()
        if ticker.is_alive():
            ticker.join()
            print("\r", end="")
    print(f"  ✓ {name}  {time.monotonic() - started:.1f} s", flush=True)


def packages_missing() -> list[str]:
    """Distribution packages to install; none where we could not install or use them anyway."""
    if not ours_to_prepare():
        return []
    missing = [
        package
        for command, package in COMMANDS_TO_PACKAGES.items()
        if not shutil.which(command, path=SEARCH)
    ]
    try:
        import ensurepip  # noqa: F401 - Debian ships it apart from Python itself
    except ImportError:
        missing.append("python3-venv")
    return missing


def ours_to_prepare() -> bool:
    """Tell whether we may install packages here, and know how to."""
    linux = sys.platform.startswith("linux")
    return linux and os.geteuid() == 0 and shutil.which("apt-get", path=SEARCH) is not None


def machine_unready() -> bool:
    """Tell whether packages are missing, or a set-up that was killed left its policy here."""
    return bool(packages_missing()) or (ours_to_prepare() and policy_is_ours())


def install_packages() -> None:
    """Install what is missing without letting any package start a daemon."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": SEARCH}
    with alone(SHARED), no_daemons():
        missing = packages_missing()
        if not missing:
            return  # another checkout was faster, or only the policy was left
        install = ["apt-get", "install", "-yqq", "--no-install-recommends"]
        install += ["-o", f"DPkg::Lock::Timeout={APT_PATIENCE}"]
        # An installation that was cut off refuses everything else until it is finished, and dpkg
        # cannot finish what lacks its dependencies. Whether these or the update work does not
        # matter, as long as the packages can be installed in the end.
        attempt(["dpkg", "--force-confold", "--configure", "-a"], environment)
        wait_for_apt()
        attempt(["apt-get", "update", "-qq"], environment)
        attempt([*install, "--fix-broken"], environment)
        remedy = "check the machine's package sources, then run it again"
        run([*install, *missing], environment, remedy)


def wait_for_apt() -> None:
    """Return when nobody else updates the package lists; `apt-get update` would only fail."""
    if APT_LISTS_LOCK.exists():
        with APT_LISTS_LOCK.open("r+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)


@contextmanager
def no_daemons() -> Iterator[None]:
    """Refuse service starts while packages are installed, unless the machine has its own policy.

    The caller holds the machine's lock: a policy of ours that is here was left by a killed set-up.
    """
    if POLICY.exists() and not policy_is_ours():
        yield
        return
    files.write(POLICY, REFUSE_STARTS, mode=files.EXECUTABLE)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def policy_is_ours() -> bool:
    """Tell a policy that a set-up wrote from the machine's own."""
    return POLICY.exists() and POLICY.read_text(errors="replace") == REFUSE_STARTS


def lock_digest() -> str:
    """Identify the locked dependencies, the interpreter and this checkout's place."""
    parts = (LOCK.read_bytes(), sys.version.encode(), str(CHECKOUT).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def project_digest() -> str:
    """Identify our packages and commands."""
    return hashlib.sha256(PROJECT.read_bytes()).hexdigest()


def environment_stale() -> bool:
    """Tell whether the environment is missing or was made from another lock file."""
    return not STAMP.exists() or STAMP.read_text() != lock_digest()


def project_stale() -> bool:
    """Tell whether packages or commands of ours have changed since they were installed."""
    return not PROJECT_STAMP.exists() or PROJECT_STAMP.read_text() != project_digest()


def make_environment() -> None:
    """Make the virtual environment from the lock file, hashes checked."""
    python = str(VENV / "bin" / "python")
    quiet = ["-q", "--disable-pip-version-check"]
    remedy = "check that the package index can be reached, then run it again"
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], None, "install python3-venv")
    run([python, "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(LOCK)], None, remedy)
    STAMP.write_text(lock_digest())


def install_project() -> None:
    """Install ourselves from the checkout: a link to it, and the list of commands."""
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install"]
    command += ["-q", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "-e", str(CHECKOUT)]
    run(command, None, "correct pyproject.toml, then run it again")
    PROJECT_STAMP.write_text(project_digest())


def attempt(command: list[str], environment: dict[str, str]) -> None:
    """Run a command silently whose failure does not matter."""
    null = subprocess.DEVNULL
    subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=null, stderr=null, check=False)


def run(command: list[str], environment: dict[str, str] | None, remedy: str) -> None:
    """Run a command silently; on failure raise with the end of what it said."""
    with tempfile.TemporaryFile("w+") as said:
        status = subprocess.run(
            command, cwd=CHECKOUT, env=environment, stdout=said, stderr=said, check=False
        ).returncode
        if status:
            said.seek(0)
            tail = "\n    ".join(said.read().strip().splitlines()[-5:])
            raise SetupError(f"`{command[0]}` exited with {status}:\n    {tail}", remedy)


if __name__ == "__main__":
    sys.exit(main())
