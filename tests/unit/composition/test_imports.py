"""What a part loads at its start: each is a process of its own, started again when it dies."""

from __future__ import annotations

import subprocess
import sys

from kit.paths import checkout

LOADED = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*{"pulumi", "grpc", "ansible"} & {name.partition(".")[0] for name in sys.modules})
"""


def test_reconciler_loads_no_engine_before_an_operation() -> None:
    """The program's packages take two seconds, and more memory than the rest of the process."""
    command = [sys.executable, "-c", LOADED, "composition.parts.reconciler"]
    done = subprocess.run(command, cwd=checkout(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
