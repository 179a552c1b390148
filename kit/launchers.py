"""Executables that run one of our modules, for programs that look them up by name."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from kit import files
from kit.paths import checkout


def write_launcher(
    path: Path, module: str, *, arguments: Sequence[str] = (), comment: str = ""
) -> Path:
    """Write an executable that runs one of our modules with this interpreter; return it.

    The arguments come before those that it is called with.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    script = (
        "#!/bin/sh\n"
        + (f"# {comment}\n" if comment else "")
        + f"cd {shlex.quote(str(checkout()))} || exit 1\n"
        + f'exec {shlex.join([sys.executable, "-m", module, *arguments])} "$@"\n'
    )
    if not path.exists() or path.read_text() != script:
        files.write(path, script, mode=files.EXECUTABLE)
    return path
