"""Runs the suite, and writes the stamp of the run into docs/mailu-contract.json.

Version and kind of the target are part of the stamp: a real Mailu does not tell its version.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kit.paths import checkout
from lab.mailu.admin.server import IMITATED, NAME
from tests.support.plain_http import plain_client

from .client import API
from .conftest import TOKEN, URL

VERSION = "MAILU_CONTRACT_VERSION"
STAMP = checkout() / "docs" / "mailu-contract.json"
HALVES = ("rest", "mail")
"""What `admin` answers, and what the other containers do with mail."""


class _Outcomes:
    """How many tests passed of each half, and what was not run."""

    def __init__(self) -> None:
        self.passed = dict.fromkeys(HALVES, 0)
        self.not_run: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.removeprefix("tests/contract/mailu/")
        if report.skipped:
            self.not_run.add(name)
        elif report.when == "call" and report.passed:
            self.passed["mail" if name.startswith("mail/") else "rest"] += 1


def main() -> int:
    """Run the suite in this order, on one core: the tests that lock networks come last."""
    url = os.environ.get(URL)
    if url and not (os.environ.get(TOKEN) and os.environ.get(VERSION)):
        sys.stderr.write(f"{URL} needs {TOKEN} and {VERSION}\n")
        return 2
    outcomes = _Outcomes()
    options = ["-p", "no:randomly", "-q", str(Path(__file__).parent)]
    status = pytest.main(options, plugins=[outcomes])
    stamp = {
        "version": os.environ.get(VERSION, IMITATED),
        "target": "real" if url and not _is_stand_in(url) else "stand-in",
        "date": datetime.now(UTC).date().isoformat(),
        "passed": status == pytest.ExitCode.OK,
        **outcomes.passed,
        "not_run": sorted(outcomes.not_run),
    }
    STAMP.write_text(json.dumps(stamp, indent=2) + "\n")
    return int(status)


def _is_stand_in(url: str) -> bool:
    with plain_client(url.rstrip("/").removesuffix(API)) as client:
        return client.get("/ping").headers.get("server") == NAME


if __name__ == "__main__":
    sys.exit(main())
