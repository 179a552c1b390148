"""Parts of packages of others without what they execute at their import, which takes long."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec


@contextmanager
def unexecuted(*packages: str) -> Iterator[None]:
    """Import modules of packages, outer ones first, without executing the packages themselves.

    Such modules must import each other by name only. A later import of a whole package works.
    """
    added = [name for name in packages if name not in sys.modules]
    try:
        for name in added:
            spec = find_spec(name)
            if spec is not None:  # else the import below says what is missing
                sys.modules[name] = module_from_spec(spec)
        yield
    finally:
        for name in added:
            sys.modules.pop(name, None)


@contextmanager
def absent(module: str) -> Iterator[None]:
    """Import what can do without a module as if that were not installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # the import system's own mark for this
    try:
        yield
    finally:
        del sys.modules[module]


@contextmanager
def loaded_for_good() -> Iterator[None]:
    """Import what stays for the life of a process.

    Garbage is not looked for meanwhile, which takes up to a third of the time, nor ever among it.
    Processes that are forked later look for none there either, which would copy it for each.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
