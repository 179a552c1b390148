"""How the whole suite is run: in random order, on all cores."""

from __future__ import annotations

import os

import hypothesis

# How long an example takes says how busy the machine is: tests share it with hosts and engines.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: the one that has the lab waits for hosts mostly."""
    return (os.cpu_count() or 1) + 1
