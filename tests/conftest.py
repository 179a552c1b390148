"""How the whole suite runs: in random order, on all cores, the longest tests first."""

from __future__ import annotations

import gc
import os

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.plain_log import log_plainly

SHARED = (
    "tests/contract/mailu/mail/",
    "tests/e2e/",
    "tests/integration/composition/test_parts.py",
    "tests/integration/sender/test_carry_over.py",
)
"""Paths of tests with one common resource: the stand-in's containers, the machine's lab, a complete
control plane, or a large database."""
ON_HOSTS = "tests/e2e/"
"""Tests on the lab's hosts: one worker runs them for most of a run."""
NICE = 5
"""By how much the others leave them the processors: about three times their share."""

# The duration of an example depends on the load: hosts and engines run beside the tests. Each run
# tries other examples.
hypothesis.settings.register_profile("shared machine", deadline=None, max_examples=50)
hypothesis.settings.load_profile("shared machine")
log_plainly()
if "PYTEST_XDIST_WORKER" in os.environ:
    gc.disable()  # until all tests are collected: what is imported and collected stays


def pytest_collection_finish() -> None:
    """Let garbage be looked for from now on, but never among the tests: a fifth of all time."""
    gc.freeze()
    gc.enable()


def pytest_runtest_logstart(nodeid: str) -> None:
    """Let a worker leave the processors to tests on hosts, on which the end of a run depends."""
    if "PYTEST_XDIST_WORKER" in os.environ and not nodeid.startswith(ON_HOSTS) and not os.nice(0):
        os.nice(NICE)


def pytest_xdist_auto_num_workers() -> int:
    """Return two workers more than cores: tests of the lab and of engines mostly wait."""
    return (os.cpu_count() or 1) + 2


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Make `--dist loadgroup` run tests with a common resource on one worker."""
    return SharedResources(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first, each kind in random order, so that no worker ends with one."""

    def rank(item: pytest.Item) -> int:
        if item.nodeid.startswith(ON_HOSTS):
            return 0
        if item.get_closest_marker("engine") or item.get_closest_marker("long"):
            return 1
        if _shared_path(item.nodeid):
            return 1
        return 2 if item.nodeid.startswith("tests/integration/") else 3

    items.sort(key=rank)


class SharedResources(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests below a path of SHARED run on one worker, other tests on any.

    xdist starts the largest group first. Its own `loadgroup` scheduler sets node ids, which
    pytest 9.2 computes.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _shared_path(nodeid) or nodeid


def _shared_path(nodeid: str) -> str | None:
    return next((path for path in SHARED if nodeid.startswith(path)), None)
