"""The part `admin`: the imitation of Mailu's application, with the account that its image has."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ACCOUNT = "mailu"
"""Owner of database and keys; its number is nobody's to assume."""


def start(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Become the application."""
    make_account(ACCOUNT)
    command = ["python3", "-m", "lab.mailu.admin", *arguments]
    os.execvpe(command[0], command, dict(environ))  # noqa: S606 - replaces this process


def make_account(name: str) -> None:
    """Make a system account, also where a start was killed while it did so; idempotent."""
    if name in {entry.pw_name for entry in pwd.getpwall()}:
        return
    for locked in ("group", "gshadow", "passwd", "shadow"):
        Path(f"/etc/{locked}.lock").unlink(missing_ok=True)
    has_group = name in {entry.gr_name for entry in grp.getgrall()}
    group = ("--gid", name) if has_group else ("--user-group",)
    make = ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", *group)
    subprocess.run([*make, name], check=True)
