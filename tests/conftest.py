"""How the whole suite is run: in random order, on all cores."""

from __future__ import annotations

import os

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# How long an example takes says how busy the machine is: tests share it with hosts and engines.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: the one that has the lab waits for hosts mostly."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Let `--dist loadgroup` give the tests of real hosts to one worker."""
    return OneLab(config, log) if config.getvalue("dist") == "loadgroup" else None


class OneLab(LoadScopeScheduling):
    """Any worker may run any test, but the lab exists once on a machine: its tests stay together.

    xdist's own groups do not work with pytest 9.2: they set a node id that is computed there.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "lab" if nodeid.startswith("tests/e2e/") else nodeid
