"""The part `redis`: Debian's server, started as the official image starts its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

SERVER = "redis-server"
ACCOUNT = "redis"
DATA = Path("/data")


def start(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Become redis-server with options, or another program that the command names."""
    options = list(arguments)
    if options and options[0] == SERVER:
        del options[0]
    elif options and not options[0].startswith("-"):
        os.execvpe(options[0], options, dict(environ))  # noqa: S606 - replaces this process
    for path in (DATA, *DATA.rglob("*")):
        shutil.chown(path, ACCOUNT, ACCOUNT)
    # As in the official image: every address, no protected mode, data in its volume.
    own = ["--bind", "*", "-::*", "--protected-mode", "no", "--dir", str(DATA)]
    account = ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--init-groups"]
    command = [*account, SERVER, *own, *options]
    os.execvpe(command[0], command, dict(environ))  # noqa: S606 - as above
