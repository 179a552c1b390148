"""Every route of the stand-in for Mailu's admin has a test in the contract suite."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

from kit.paths import checkout
from lab.mailu.admin.routes import ROUTES
from tests.contract.mailu.__main__ import HALVES, VERSION, main
from tests.contract.mailu.conftest import TOKEN, URL

SUITE = checkout() / "tests" / "contract" / "mailu"
PAGE = checkout() / "docs" / "mailu.md"
STAMP = checkout() / "docs" / "mailu-contract.json"
ONLY_STAND_INS = "Seen on stand-ins only."


def marked() -> set[str]:
    """Return the routes that tests of the suite say they call; the suite verifies that they do."""
    modules = [
        import_module(f"tests.contract.mailu.{path.stem}") for path in SUITE.glob("test_*.py")
    ]
    tests = [value for module in modules for value in vars(module).values()]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", ())]
    return {mark.args[0] for mark in marks if mark.name == "route"}


def test_every_route_has_a_test_in_the_contract_suite() -> None:
    assert {str(route) for route in ROUTES} == marked()


def test_routes_are_different() -> None:
    assert len({str(route) for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("missing", [TOKEN, VERSION])
def test_a_run_against_an_address_needs_its_token_and_version(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = STAMP.read_text()
    for name in (URL, TOKEN, VERSION):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv(missing)
    assert main() == 2
    assert missing in capsys.readouterr().err
    assert STAMP.read_text() == before


def test_the_page_says_what_the_stamp_of_the_last_run_says() -> None:
    stamp = json.loads(STAMP.read_text())
    assert set(stamp) == {"version", "target", "date", "passed", *HALVES, "not_run"}
    assert all(stamp[half] > 0 for half in HALVES), "both halves were run"
    assert stamp["target"] in ("stand-in", "real")
    assert (ONLY_STAND_INS in PAGE.read_text()) == (stamp["target"] == "stand-in")
