"""The `pulumi` command: found on PATH, else downloaded, else built from the pinned modules."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import ssl
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any

from kit.locks import locked
from kit.paths import cache_dir
from kit.web import encrypted_only
from tools.faults import BUILD_FAILED, GO_MISSING
from tools.pulumi.parts import CHECKSUMS, VERSION, Kind, Part

Progress = Callable[[str], None]

MODULES = Path(__file__).resolve().parent
"""Holds go.mod and go.sum of the wrapper module."""
DOWNLOAD = "https://github.com/pulumi/pulumi/releases/download"
BUILD_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"


def on_path(search: str | None = None, ours: Collection[Path] = ()) -> Part | None:
    """Return the official command of our version, when it is on PATH (or on `search`).

    A shell that uses an engine of ours has that on PATH too: commands below `ours` are ignored.
    """
    directories = [
        directory
        for directory in (search or os.environ.get("PATH", os.defpath)).split(os.pathsep)
        if directory
        and not any(Path(directory).resolve().is_relative_to(own.resolve()) for own in ours)
    ]
    program = shutil.which("pulumi", path=os.pathsep.join(directories))
    if program is None or not _is_our_version(Path(program)):
        return None
    return Part("pulumi", VERSION, Kind.OFFICIAL, Path(program).resolve())


def _is_our_version(program: Path) -> bool:
    environment = {"PATH": os.environ.get("PATH", ""), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    environment["HOME"] = os.environ.get("HOME", "/")
    try:
        result = subprocess.run(
            [program, "version"],
            capture_output=True,
            text=True,
            env=environment,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.stdout.strip() == f"v{VERSION}"


def cached() -> Part | None:
    """Return the command that an earlier run downloaded or built for the pinned modules."""
    for directory, origin in ((_downloaded(), Kind.OFFICIAL), (_built(), Kind.BUILT)):
        path = directory / "bin" / "pulumi"
        if path.exists():
            return Part("pulumi", VERSION, origin, path)
    return None


@dataclass(frozen=True)
class Source:
    """Where the official distribution comes from, and what it must be."""

    base: str = DOWNLOAD
    checksums: Mapping[str, str] = field(default_factory=lambda: CHECKSUMS)
    """SHA-256 by system and machine; nothing is downloaded for others."""
    context: ssl.SSLContext | None = None
    """Trust of the connection; None: the system's."""
    timeout: float = 5
    """Seconds without data after which the server counts as unreachable; a short time keeps closed
    networks quick."""


def download(progress: Progress, source: Source | None = None) -> Part | None:
    """Fetch the official distribution; None where it cannot be had complete and unchanged.

    No program of it runs before its checksum is known to be right.
    """
    source = source or Source()
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    system = f"{platform.system().lower()}-{machine}"
    if system not in source.checksums:
        return None
    url = f"{source.base}/v{VERSION}/pulumi-v{VERSION}-{system}.tar.gz"
    with _exclusive("download"), _scratch("downloading-") as scratch:
        if (part := cached()) is not None:
            return part
        archive = scratch / "pulumi.tar.gz"
        unpacked = scratch / "unpacked"
        try:
            opener = encrypted_only(source.context)
            with opener.open(url, timeout=source.timeout) as response, archive.open("wb") as file:
                progress("downloading the official distribution")
                shutil.copyfileobj(response, file)
            if _digest(archive) != source.checksums[system]:
                progress(f"the file at {url} is not the one that Pulumi published: not used")
                return None
            _unpack(archive, unpacked)
        except (OSError, EOFError, HTTPException, tarfile.TarError, zlib.error):
            return None
        if not _is_our_version(unpacked / "pulumi"):
            return None
        ready = scratch / "ready"
        ready.mkdir()
        unpacked.rename(ready / "bin")
        _replace(ready, _downloaded())
    return cached()


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _unpack(archive: Path, directory: Path) -> None:
    """Extract the programs of the distribution's one directory, and nothing else.

    `extractall` with a filter would do, but Debian 12's Python (3.11.2) has none yet.
    """
    directory.mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None and len(parts) == 2 and parts[0] == "pulumi":
                program = directory / parts[1]
                with program.open("wb") as file:
                    shutil.copyfileobj(content, file)
                program.chmod(0o755)


def build(progress: Progress) -> Part:
    """Build the command from the modules pinned in go.sum, once for all checkouts.

    Raises GO_MISSING or BUILD_FAILED.
    """
    go = shutil.which("go")
    if go is None:
        raise GO_MISSING(version=VERSION)
    with _exclusive("build"):
        part = cached()
        if part:
            return part
        target = _built()
        with _scratch("building-") as scratch:
            log = target.parent / "build.log"
            log.unlink(missing_ok=True)
            _compile(go, scratch / "engine" / "bin" / "pulumi", progress, log)
            _replace(scratch / "engine", target)
    return Part("pulumi", VERSION, Kind.BUILT, target / "bin" / "pulumi")


def _compile(go: str, output: Path, progress: Progress, log: Path) -> None:
    """Fetch exactly the modules that the command needs, then compile the command."""
    tags = ["-tags", "osusergo,grpcnotrace"]
    progress("fetching Go modules (about a minute)")
    listing = [go, "list", "-deps", *tags, "-f", "{{.ImportPath}}", BUILD_PACKAGE]
    packages = 0

    def count(_: str) -> None:
        nonlocal packages
        packages += 1

    _go(listing, log, count, stream="stdout")
    compiled = 0

    def count_compiled(_: str) -> None:
        nonlocal compiled
        compiled += 1
        progress(f"compiling, about 6 minutes on two cores  {compiled}/{packages} packages")

    flags = ["-ldflags", f"-s -w -X {VERSION_VARIABLE}=v{VERSION}"]
    output.parent.mkdir(parents=True)
    command = [go, "build", "-v", "-trimpath", *tags, *flags, "-o", str(output), BUILD_PACKAGE]
    _go(command, log, count_compiled, stream="stderr")


def _go(command: list[str], log: Path, each_line: Progress, stream: str) -> None:
    """Run the Go tool; every line goes to the log, those of `stream` to `each_line` as well."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    environment["GOFLAGS"] = "-mod=readonly"  # what go.sum does not list is refused
    with log.open("a", buffering=1) as output:
        streams: dict[str, Any] = {"stdout": output, "stderr": output, stream: subprocess.PIPE}
        arguments = {"cwd": MODULES, "env": environment, "text": True, **streams}
        with subprocess.Popen(command, **arguments) as running:
            try:
                for line in getattr(running, stream):
                    output.write(line)
                    each_line(line)
            except BaseException:  # Ctrl-C too must not leave the compiler running
                running.terminate()
                raise
        status = running.returncode
    if status:
        last = (log.read_text().strip().splitlines() or [""])[-1]
        raise BUILD_FAILED(reason=last, where=log)


def _built() -> Path:
    digest = hashlib.sha256((MODULES / "go.sum").read_bytes()).hexdigest()[:16]
    return cache_dir() / "engine" / digest


def _downloaded() -> Path:
    return cache_dir() / "engine" / f"official-{VERSION}"


def _replace(fresh: Path, target: Path) -> None:
    """Move a finished directory to its path."""
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(target)


@contextmanager
def _scratch(prefix: str) -> Iterator[Path]:
    """Yield a temporary directory, and remove those of killed runs. The caller holds the lock."""
    directory = cache_dir() / "engine"
    directory.mkdir(parents=True, exist_ok=True)
    for abandoned in directory.glob(f"{prefix}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=prefix) as scratch:
        yield Path(scratch)


def _exclusive(what: str) -> AbstractContextManager[None]:
    """Hold the lock of one kind of work; checkouts of one machine share the cache."""
    return locked(cache_dir() / "engine" / f"{what}.lock")
