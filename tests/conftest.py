"""How the whole suite runs: in random order, on all cores, the longest tests first."""

from __future__ import annotations

import os

import hypothesis
import pytest
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/e2e/", "tests/integration/composition/test_parts.py")
"""Tests that share what exists once: the lab of this machine, or a control plane of all parts."""

# How long an example takes says how busy the machine is: tests share it with hosts and engines.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
# By default an exception is drawn with the values of all variables, which takes seconds.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
)


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: the one that has the lab waits for hosts mostly."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Let `--dist loadgroup` keep tests together that share something."""
    return Groups(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the slow tests come first, each kind in its random order: no worker ends with one."""

    def rank(item: pytest.Item) -> int:
        if item.nodeid.startswith("tests/e2e/"):
            return 0
        if item.get_closest_marker("engine") or _together(item.nodeid):
            return 1
        return 2 if item.nodeid.startswith("tests/integration/") else 3

    items.sort(key=rank)


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Any worker may run any test, but those below one path of TOGETHER stay on one worker.

    xdist starts the largest group first. Its own groups do not work with pytest 9.2: they set a
    node id that is computed there.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _together(nodeid) or nodeid


def _together(nodeid: str) -> str | None:
    return next((path for path in TOGETHER if nodeid.startswith(path)), None)
