"""The files of front's certificate."""

from __future__ import annotations

from pathlib import Path

DIRECTORY = Path("/certs")
CERTIFICATE, KEY = DIRECTORY / "cert.pem", DIRECTORY / "key.pem"
State = list[list[int] | None]


def exist() -> bool:
    """Whether certificate and key are there."""
    return CERTIFICATE.exists() and KEY.exists()


def state() -> State:
    """Return what changes with each new file."""
    return [
        [status.st_mtime_ns, status.st_ino] if file.exists() and (status := file.stat()) else None
        for file in (CERTIFICATE, KEY)
    ]
