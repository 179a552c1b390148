"""Accounts, ports and processes of both servers."""

from __future__ import annotations

import os
import pwd
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

from kit.waiting import wait_until
from tools.faults import START_FAILED


@dataclass(frozen=True)
class Account:
    """The user that a server runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def for_servers(cls) -> Account:
        """Return the current user; for root, which PostgreSQL refuses, `postgres` or `nobody`."""
        if os.geteuid() != 0:
            return cls._of(pwd.getpwuid(os.geteuid()))
        try:
            return cls._of(pwd.getpwnam("postgres"))
        except KeyError:
            return cls._of(pwd.getpwnam("nobody"))

    @classmethod
    def _of(cls, entry: pwd.struct_passwd) -> Account:
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    @property
    def switch_uid(self) -> int | None:
        """Argument `user` for subprocess; None where no change is needed (or permitted)."""
        return None if os.geteuid() == self.uid else self.uid

    @property
    def switch_gid(self) -> int | None:
        """Argument `group` for subprocess."""
        return None if os.geteuid() == self.uid else self.gid

    @property
    def switch_groups(self) -> list[int] | None:
        """Argument `extra_groups` for subprocess."""
        return None if os.geteuid() == self.uid else []

    def own(self, path: Path, mode: int) -> None:
        """Make this user the owner of a path, with this mode."""
        os.chown(path, self.uid, self.gid)
        path.chmod(mode)


def free_port(preferred: int | None = None) -> int:
    """Return a free loopback TCP port, the preferred one if possible.

    The preferred one is waited for: children of a killed server hold it for a moment longer.
    """
    if preferred and wait_until(lambda: _bindable(preferred) is not None, seconds=0.5):
        return preferred
    port = _bindable(0)
    if port is None:
        raise START_FAILED(server="a server", reason="no TCP port is free on 127.0.0.1")
    return port


def _bindable(port: int) -> int | None:
    with socket.socket() as probe:
        # As servers do: connections that just ended must not block a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


def is_running(pid: int, program: str, directory: Path) -> bool:
    """Tell whether process `pid` is running, is called `program` and works in `directory`.

    The directory distinguishes our server from another process with the same number. A process
    that is ending keeps it until its sockets are closed.
    """
    try:
        process = psutil.Process(pid)
        return process.name() == program and Path(process.cwd()) == directory.resolve()
    except psutil.Error:
        return False
