"""The account and the processes of both servers."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tools.faults import NO_ACCOUNT, NOT_REACHABLE

ACCOUNT = "penguin-servers"
"""The account that servers of root run as. No other program uses it, as `postgres` or `nobody`."""
SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


@dataclass(frozen=True)
class Account:
    """The user that a server runs as."""

    uid: int
    gid: int

    @classmethod
    def for_servers(cls, name: str = ACCOUNT) -> Account:
        """Return the current user; for root the servers' own account, created if it is missing.

        Raises NO_ACCOUNT.
        """
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        reason = "" if _exists(name) else _create(name)
        if not _exists(name):
            raise NO_ACCOUNT(account=name, reason=reason)
        entry = pwd.getpwnam(name)
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def owner(self) -> tuple[int, int]:
        """User and group of its files."""
        return self.uid, self.gid

    @property
    def switch(self) -> dict[str, Any]:
        """Arguments of subprocess by which a program runs as this user; empty where it does."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def require_reach(self, directory: Path) -> None:
        """Raise NOT_REACHABLE for a directory that this user cannot get to."""
        test = ["/bin/sh", "-c", 'cd "$0"', str(directory)]
        if subprocess.run(
            test, check=False, capture_output=True, cwd="/", **self.switch
        ).returncode:
            raise NOT_REACHABLE(account=ACCOUNT, directory=directory)

    def own_tree(self, directory: Path) -> None:
        """Take everything in a directory from the account that owned it in an earlier version.

        What belongs to any other account stays as it is, and no link is followed.
        """
        former = directory.stat(follow_symlinks=False).st_uid
        if former == self.uid:
            return
        for _, directories, names, descriptor in os.fwalk(directory, topdown=False):
            for name in (*directories, *names):
                if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_uid == former:
                    os.chown(name, *self.owner, dir_fd=descriptor, follow_symlinks=False)
        os.chown(directory, *self.owner, follow_symlinks=False)


def account_name(uid: int) -> str:
    """Return the name of an account, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _exists(account: str) -> bool:
    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def _create(account: str) -> str:
    """Create a system account without login and home; return why it failed.

    Another process may create it at the same time.
    """
    program = shutil.which("useradd", path=SEARCH)
    if program is None:
        return "this machine has no useradd"
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    done = subprocess.run(
        [program, *options, "--shell", "/usr/sbin/nologin", account],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() or f"useradd exited with {done.returncode}"


def is_running(pid: int, program: str, directory: Path) -> bool:
    """Tell whether process `pid` is running, is called `program` and works in `directory`.

    The directory and its owner distinguish our server from another process with the same number. A
    process that is ending keeps it until its sockets are closed.
    """
    try:
        process = psutil.Process(pid)
        return (
            process.name() == program
            and Path(process.cwd()) == directory.resolve()
            and process.uids().real == directory.stat(follow_symlinks=False).st_uid
        )
    except (psutil.Error, OSError):
        return False
