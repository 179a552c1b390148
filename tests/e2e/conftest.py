"""The lab for tests: the one that runs already, or one that lives as long as this run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.paths import state_dir
from lab import check, control
from lab.place import LabPlace, running


@pytest.fixture(scope="session")
def lab_directory() -> Path:
    return state_dir() / "lab"


@pytest.fixture(scope="session")
def lab(lab_directory: Path) -> Iterator[LabPlace]:
    """A running lab with real hosts."""
    lacking = check.missing(lab_directory)
    if lacking is not None:
        pytest.skip(f"no real hosts here: {lacking}")
    found = running(lab_directory)
    if found is not None:
        if found.level == "api":
            pytest.skip(f"the lab that runs has no real hosts: {found.missing}")
        yield found
        return
    journal = {"HOSTWINDS_JOURNAL": str(lab_directory / "journal.json")}
    yield control.start(lab_directory, journal, print, missing=None)
    control.stop(lab_directory)
