"""Modules of tests as pytest compiles them: by one worker of a run each, instead of by every one.

pytest rewrites assertions, which takes most of the time until the first test of a fresh checkout,
and keeps the result beside the modules.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.assertion import rewrite  # pytest has no interface to compile without an import


def compile_part(modules: Sequence[Path], config: pytest.Config) -> None:
    """Compile what this worker of xdist is to compile of the modules; other processes nothing."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None or sys.dont_write_bytecode:
        return
    workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    for module in sorted(modules)[int(worker.removeprefix("gw")) :: workers]:
        _compile(module, config)


def _compile(module: Path, config: pytest.Config) -> None:
    compiled = rewrite.get_cache_dir(module) / f"{module.stem}{rewrite.PYC_TAIL}"
    if rewrite._read_pyc(module, compiled) is None and rewrite.try_makedirs(compiled.parent):
        digest, code = rewrite._rewrite_test(module, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, digest, compiled)
