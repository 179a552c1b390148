"""How the whole suite is run: in random order, on all cores."""

from __future__ import annotations

import os


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores: the one that has the lab waits for hosts mostly."""
    return (os.cpu_count() or 1) + 1
