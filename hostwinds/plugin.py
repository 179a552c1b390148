"""Where the engine finds the provider: a launcher that runs it with this interpreter."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

NAME = "pulumi-resource-hostwinds"


def write_launcher(directory: Path) -> Path:
    """Write the plugin's executable into a directory and return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / NAME
    root = Path(__file__).resolve().parent.parent
    script = (
        "#!/bin/sh\n"
        f"cd {shlex.quote(str(root))} || exit 1\n"
        f'exec {shlex.quote(sys.executable)} -m hostwinds.provider "$@"\n'
    )
    if not path.exists() or path.read_text() != script:
        fresh = path.with_name(f".{NAME}.{os.getpid()}")
        fresh.write_text(script)
        fresh.chmod(0o755)
        fresh.replace(path)
    return path
