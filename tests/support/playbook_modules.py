"""Loads the playbooks' own modules, which Ansible sends to hosts."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from types import ModuleType
from typing import Any

from kit.paths import checkout

LIBRARY = checkout() / "playbooks" / "library"


def load(name: str) -> ModuleType:
    """Return a module of `playbooks/library`."""
    path = LIBRARY / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """Run a module as Ansible does, over an interpreter's standard input; return its result."""
    given = json.dumps({**arguments, "_ansible_check_mode": check})
    source = (LIBRARY / f"{name}.py").read_text()
    done = subprocess.run(
        [sys.executable, "-I"],
        input=source.replace("<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>", given),
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result
