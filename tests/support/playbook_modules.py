"""Loads the playbooks' own modules, which Ansible sends to hosts."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from kit.paths import checkout


def load(name: str) -> ModuleType:
    """Return a module of `playbooks/library`."""
    path = checkout() / "playbooks" / "library" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
