"""How the whole suite runs: in random order, on all cores, the longest tests first."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer

from kit.locks import locked
from tests.support.plain_log import log_plainly
from tests.support.schedule import LAB, SharedResources, rank

NICE = 5
"""By how much the others leave the processors to tests on hosts: about three times their share."""
FIRST_NICE = os.nice(0)

# The duration of an example depends on the load: hosts and engines run beside the tests. Each run
# tries other examples.
hypothesis.settings.register_profile("shared machine", deadline=None, max_examples=50)
hypothesis.settings.load_profile("shared machine")
log_plainly()
COLLECTING = ExitStack()
"""What lasts until all tests are collected."""


def _wait_for_the_first() -> None:
    """Let one worker compile all tests before others collect, which would do the same again."""
    waited: list[bool] = []
    COLLECTING.enter_context(locked(Path(__file__).parent, lambda: waited.append(True)))
    if waited:
        COLLECTING.close()


if "PYTEST_XDIST_WORKER" in os.environ:
    gc.disable()  # until all tests are collected: what is imported and collected stays
    if not sys.dont_write_bytecode:
        _wait_for_the_first()


def pytest_collection_finish() -> None:
    """Let garbage be looked for from now on, but never among the tests: a fifth of all time."""
    COLLECTING.close()
    gc.freeze()
    gc.enable()


def pytest_runtest_logstart(nodeid: str) -> None:
    """Let a worker leave the processors to tests on hosts, on which the end of a run depends."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        wanted = FIRST_NICE + (0 if nodeid.startswith(LAB) else NICE)
        if wanted > os.nice(0) or os.geteuid() == 0:
            os.setpriority(os.PRIO_PROCESS, 0, wanted)


def pytest_xdist_auto_num_workers() -> int:
    """Return three workers more than cores: as many may have hosts, whose tests often wait."""
    return (os.cpu_count() or 1) + 3


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedResources | None:
    """Make `--dist loadgroup` run tests with a common resource on one worker."""
    return SharedResources(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first, each kind in random order, so that no worker ends with one."""
    items.sort(key=rank)
