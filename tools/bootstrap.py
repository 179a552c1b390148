"""Brings a fresh machine to where `penguin` runs; needs nothing but the Python it is run with.

Each step looks first whether its work is done, so a second run takes no time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
LOCK = CHECKOUT / "requirements" / "lock.txt"
STAMP = VENV / ".lock-digest"

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


class SetupError(Exception):
    """A step failed; the message says what happened, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def main() -> int:
    """Run all steps; print one line with its duration for each that had work to do."""
    try:
        for name, needed, act in (
            ("system packages", packages_missing, install_packages),
            ("python environment", environment_stale, make_environment),
        ):
            if needed():
                step(name, act)
        engine = [str(VENV / "bin" / "penguin"), "engine", "build", "--if-missing"]
        return subprocess.run(engine, cwd=CHECKOUT, check=False).returncode
    except SetupError as error:
        print(f"error[setup.failed]: {error}\n  do: {error.remedy}", file=sys.stderr)
        return 1


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
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("apt-get"):
        return []
    missing = [pkg for cmd, pkg in COMMANDS_TO_PACKAGES.items() if not shutil.which(cmd)]
    try:
        import ensurepip  # noqa: F401 - Debian ships it apart from Python itself
    except ImportError:
        missing.append("python3-venv")
    return missing


def install_packages() -> None:
    """Install what is missing without letting any package start a daemon."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-yqq", "--no-install-recommends", *packages_missing()]
    with no_daemons():
        for command in (["apt-get", "update", "-qq"], install):
            run(command, environment, "check the machine's package sources, then run it again")


@contextmanager
def no_daemons() -> Iterator[None]:
    """Refuse service starts while packages are installed, unless the machine has its own policy."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def lock_digest() -> str:
    """Identify the locked dependencies, the interpreter and the place of this checkout."""
    parts = (LOCK.read_bytes(), sys.version.encode(), str(CHECKOUT).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def environment_stale() -> bool:
    """Tell whether the environment is missing or was made from another lock file."""
    return not STAMP.exists() or STAMP.read_text() != lock_digest()


def make_environment() -> None:
    """Make the virtual environment from the lock file, hashes checked."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs before the right Python is known
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(f"Python 3.11 or newer is needed, this is {found}", "install python3.11")
    python = str(VENV / "bin" / "python")
    quiet = ["-q", "--disable-pip-version-check"]
    remedy = "check that the package index can be reached, then run it again"
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], None, "install python3-venv")
    run([python, "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(LOCK)], None, remedy)
    editable = ["--no-deps", "--no-build-isolation", "-e", str(CHECKOUT)]
    run([python, "-m", "pip", "install", *quiet, *editable], None, remedy)
    STAMP.write_text(lock_digest())


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
