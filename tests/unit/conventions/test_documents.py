"""Documentation is up to date: reference pages, make targets, and links between pages."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from kit.paths import checkout
from sandbox.reference import pages

REFERENCE = checkout() / "docs" / "reference"


def test_the_reference_is_what_the_code_says() -> None:
    written = {path.name: path.read_text() for path in REFERENCE.iterdir()}
    assert written == pages(), "run `make docs`"


def test_make_help_lists_every_target_in_one_line() -> None:
    makefile = (checkout() / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE)
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=checkout(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [line.split()[1] for line in shown] == targets
    assert all(len(line) <= 80 and len(line.split()) > 3 for line in shown)
    defined = re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE)
    assert defined == targets


PAGES = [*checkout().glob("*.md"), *(checkout() / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []
