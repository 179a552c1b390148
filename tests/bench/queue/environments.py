"""The rivals' virtual environments below build/, from a lock file of their own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from kit.paths import checkout

LOCK = Path("requirements") / "bench-queue.txt"
NEWER = (3, 12)
"""What oban needs; this project's own environment is older."""


def rivals() -> Path:
    """Return the interpreter of the rivals."""
    return _environment(Path(sys.executable), "rivals")


def newer_rivals() -> Path | None:
    """Return the interpreter of those that need a newer Python; None where there is none."""
    for python in _interpreters():
        if _version(python) >= NEWER:
            return _environment(python, "newer-rivals")
    return None


def _environment(python: Path, name: str) -> Path:
    directory = checkout() / "build" / "bench-queue" / name
    lock = checkout() / LOCK
    digest = hashlib.sha256(lock.read_bytes() + str(python).encode()).hexdigest()
    stamp = directory / ".lock-digest"
    if not stamp.exists() or stamp.read_text() != digest:
        _run(python, "-m", "venv", "--clear", directory)
        pip = (directory / "bin" / "python", "-m", "pip", "install", "-q")
        _run(*pip, "--disable-pip-version-check", "--require-hashes", "-r", lock)
        stamp.write_text(digest)
    return directory / "bin" / "python"


def _interpreters() -> Iterator[Path]:
    """Return what may be a newer Python: on the path, and of pyenv."""
    for minor in range(NEWER[1], NEWER[1] + 4):
        for folder in os.get_exec_path():
            yield Path(folder) / f"python3.{minor}"
        versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        yield from sorted(versions.glob(f"3.{minor}.*/bin/python3"))


def _version(python: Path) -> tuple[int, ...]:
    """Return its version; shims of versions that are not installed exist, but fail."""
    if not python.exists():
        return (0,)
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else (0,)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)
