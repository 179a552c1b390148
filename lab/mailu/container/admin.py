"""The part `admin`: the imitation of Mailu's application, with the account that its image has."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence

ACCOUNT = "mailu"
"""Owner of database and keys; its number is nobody's to assume."""


def start(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Become the application."""
    if ACCOUNT not in {entry.pw_name for entry in pwd.getpwall()}:
        make = ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT)
        subprocess.run(make, check=True)
    command = ["python3", "-m", "lab.mailu.admin", *arguments]
    os.execvpe(command[0], command, dict(environ))  # noqa: S606 - replaces this process
