"""The description of a running lab, without the lab."""

from __future__ import annotations

from kit.processes import own_identity
from lab.running import RunningLab


def lab_of_this_process() -> RunningLab:
    """Return a lab at API level that runs as this process."""
    return RunningLab(
        process=own_identity(),
        level="api",
        hostwinds_url="",
        hostwinds_key="",
        cloudflare_url="",
        cloudflare_token="",
    )
