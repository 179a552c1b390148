"""Executables that run one of our modules, for programs that look them up by name."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from kit import files
from kit.paths import checkout


def write_launcher(path: Path, module: str, *, comment: str = "") -> Path:
    """Write an executable that runs one of our modules with this interpreter; return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    script = (
        "#!/bin/sh\n"
        + (f"# {comment}\n" if comment else "")
        + f"cd {shlex.quote(str(checkout()))} || exit 1\n"
        + f'exec {shlex.quote(sys.executable)} -m {module} "$@"\n'
    )
    if not path.exists() or path.read_text() != script:
        files.write(path, script, mode=files.EXECUTABLE)
    return path
