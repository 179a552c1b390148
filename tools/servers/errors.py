"""What can go wrong with a server on this machine, with a stable code and a remedy each."""

from __future__ import annotations

import shutil
from pathlib import Path

LEAST_FREE = 1 << 20
"""Bytes; with less on its disk no server starts."""


class ServerError(Exception):
    """A server could not be started, reached or stopped."""

    def __init__(self, code: str, message: str, *, remedy: str, where: Path | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy
        self.where = where


def refused(server: str, password: Path, log: Path) -> ServerError:
    """Describe a server of this directory that does not let us in."""
    return ServerError(
        "servers.password_refused",
        f"{server} does not accept the password in {password}",
        remedy="restore that file, or stop the server and move its directory away to start anew",
        where=log,
    )


def unresponsive(server: str, pid: int, log: Path) -> ServerError:
    """Describe a server that lives but does not answer."""
    return ServerError(
        "servers.unresponsive",
        f"{server} (process {pid}) runs but does not answer",
        remedy=f"read its log; `kill -KILL {pid}` and start it again: its data survives that",
        where=log,
    )


def disk_full(server: str, where: Path) -> ServerError:
    """Describe a server whose disk has no room left."""
    return ServerError(
        "servers.disk_full",
        f"{server} cannot write: no space left on its disk",
        remedy="free some space or set PENGUIN_STATE_DIR to a larger disk, then start it again",
        where=where,
    )


def from_log(server: str, log: Path) -> ServerError:
    """Name the cause of a failed start from the end of the server's own log."""
    said = log.read_text(errors="replace")[-4000:] if log.exists() else ""
    # A log on the full disk may not have got as far as saying so.
    if "No space left on device" in said or shutil.disk_usage(log.parent).free < LEAST_FREE:
        return disk_full(server, log)
    lines = [line for line in said.strip().splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    last = (fatal or lines or ["it said nothing"])[-1]
    return ServerError(
        "servers.start_failed",
        f"{server} did not start: {last}",
        remedy="read its log; if its data is damaged, move the directory away and start again",
        where=log,
    )
