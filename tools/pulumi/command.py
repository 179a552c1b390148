"""The `pulumi` command: found on PATH, else downloaded, else built from the pinned modules."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.places import cache_dir
from tools.pulumi.parts import VERSION, EngineError, Origin, Part

Progress = Callable[[str], None]

MODULES = Path(__file__).resolve().parent
"""Holds go.mod and go.sum of the wrapper module."""
DOWNLOAD = "https://get.pulumi.com/releases/sdk"
BUILD_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"


def on_path(search: str | None = None) -> Part | None:
    """Return the official command of our version, when it is on PATH (or on `search`)."""
    found = shutil.which("pulumi", path=search)
    if found is None:
        return None
    environment = {"PATH": os.environ.get("PATH", ""), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    environment["HOME"] = os.environ.get("HOME", "/")
    said = subprocess.run(
        [found, "version"], capture_output=True, text=True, env=environment, check=False
    )
    if said.stdout.strip() != f"v{VERSION}":
        return None
    return Part("pulumi", VERSION, Origin.OFFICIAL, Path(found).resolve())


def cached() -> Part | None:
    """Return the command that an earlier run downloaded or built for the pinned modules."""
    for directory, origin in ((_downloaded(), Origin.OFFICIAL), (_built(), Origin.BUILT)):
        path = directory / "bin" / "pulumi"
        if path.exists():
            return Part("pulumi", VERSION, origin, path)
    return None


def download(progress: Progress, base: str = DOWNLOAD) -> Part | None:
    """Fetch the official distribution; None where it cannot be reached from this machine."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    url = f"{base}/pulumi-v{VERSION}-{platform.system().lower()}-{machine}.tar.gz"
    with _alone("download"), tempfile.TemporaryDirectory(dir=_made(cache_dir())) as scratch:
        archive = Path(scratch) / "pulumi.tar.gz"
        try:
            # The address is a constant of this file; a short time-out keeps closed networks quick.
            with (
                urllib.request.urlopen(url, timeout=5) as answer,  # noqa: S310
                archive.open("wb") as file,
            ):
                progress("downloading the official distribution")
                shutil.copyfileobj(answer, file)
        except (urllib.error.URLError, OSError):
            return None
        unpacked = Path(scratch) / "unpacked"
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        ready = Path(scratch) / "ready"
        ready.mkdir()
        (unpacked / "pulumi").rename(ready / "bin")
        _replace(ready, _downloaded())
    return cached()


def build(progress: Progress) -> Part:
    """Build the command from the modules pinned in go.sum, once for all checkouts.

    Raises EngineError with `engine.no_go` or `engine.build_failed`.
    """
    go = shutil.which("go")
    if go is None:
        raise EngineError(
            "engine.no_go",
            f"the Pulumi command {VERSION} is not on this machine and Go is missing to build it",
            remedy=f"install Go 1.26 or newer, or put pulumi {VERSION} on PATH",
        )
    with _alone("build"):
        found = cached()
        if found:
            return found
        target = _built()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            log = target.parent / "build.log"
            progress("fetching Go modules")
            _go([go, "mod", "download"], log)
            progress("compiling the Pulumi command (about 6 minutes on two cores)")
            output = Path(scratch) / "bin" / "pulumi"
            flags = f"-s -w -X {VERSION_VARIABLE}=v{VERSION}"
            command = [go, "build", "-trimpath", "-tags", "osusergo,grpcnotrace"]
            _go([*command, "-ldflags", flags, "-o", str(output), BUILD_PACKAGE], log)
            _replace(Path(scratch), target)
            Path(scratch).mkdir()
    return Part("pulumi", VERSION, Origin.BUILT, target / "bin" / "pulumi")


def _go(command: list[str], log: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod"}
    with log.open("a") as said:
        status = subprocess.run(
            command, cwd=MODULES, env=environment, stdout=said, stderr=said, check=False
        ).returncode
    if status:
        last = (log.read_text().strip().splitlines() or [""])[-1]
        raise EngineError(
            "engine.build_failed",
            f"building the Pulumi command failed: {last}",
            remedy="check that the Go module proxy can be reached and that 4 GB of disk are free",
            where=log,
        )


def _built() -> Path:
    digest = hashlib.sha256((MODULES / "go.sum").read_bytes()).hexdigest()[:16]
    return cache_dir() / "engine" / digest


def _downloaded() -> Path:
    return cache_dir() / "engine" / f"official-{VERSION}"


def _replace(fresh: Path, target: Path) -> None:
    """Put a finished directory in its place in one step."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(target)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """Let one process at a time do this; checkouts of one machine share the cache."""
    with (_made(cache_dir() / "engine") / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
