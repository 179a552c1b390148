"""What is written for readers is true: reference pages, targets of make, links between pages."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from kit.paths import checkout
from sandbox.reference import pages
from sandbox.reference.codes import CODE, FAMILIES, ROOMS, SUFFIXES, found

REFERENCE = checkout() / "docs" / "reference"


def test_the_reference_is_what_the_code_says() -> None:
    written = {path.name: path.read_text() for path in REFERENCE.iterdir()}
    assert written == pages(), "run `make docs`"


def test_codes_are_told_from_files_modules_and_the_logs_events() -> None:
    codes = found()
    assert {"auth.invalid", "document.unknown_key", "wait.timeout", "hostwinds.refused"} <= set(
        codes
    )
    assert not {"cli.apply", "settings.env", "lab.daemon", "tenant.md"} & set(codes)
    assert (
        codes["tenant.plan_limit"]
        == "plan {plan} allows {allowed} domains, the document has {count}"
    )


def test_every_error_that_is_raised_with_a_code_belongs_to_a_family_of_the_page() -> None:
    strangers = {
        f"{path}:{node.lineno} {code}"
        for room in ROOMS
        for path in sorted((checkout() / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        for code in _codes_of_error(node)
        if code.partition(".")[0] not in FAMILIES
    }
    assert strangers == set()


def _codes_of_error(node: ast.AST) -> list[str]:
    """Return the code in `SomeError("family.word", …)`."""
    if not isinstance(node, ast.Call):
        return []
    name = str(getattr(node.func, "id", getattr(node.func, "attr", "")))
    if not name.endswith(("Error", "Problem", "Mistake", "Failure")):
        return []
    words = [argument.value for argument in node.args[:2] if isinstance(argument, ast.Constant)]
    return [
        match[0]
        for word in words
        if (match := CODE.fullmatch(str(word))) and match[2] not in SUFFIXES
    ]


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
