"""An operator settles purchases whose outcome is unknown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from composition.faults import NO_SUCH_PURCHASE
from composition.purchases import app
from hostwinds.journal.file import FileJournal
from kit.faults import Fault
from tests.support.faults import assert_shows, printed

Penguin = Callable[..., Result]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileJournal:
    monkeypatch.setenv("HOSTWINDS_JOURNAL", str(tmp_path / "journal.json"))
    journal = FileJournal(tmp_path / "journal.json")
    for key in ("acme-mx1-3f9a2c", "1001/mx1-2", "beta-mx1-77d0a1"):
        journal.open(key)
    journal.settle("beta-mx1-77d0a1", "1002")
    return journal


@pytest.fixture
def purchases(journal: FileJournal) -> Penguin:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments])

    return run


def names(result: Result) -> list[str]:
    return [row["name"] for row in json.loads(result.stdout)]


def test_purchases_without_outcome_are_listed(purchases: Penguin) -> None:
    assert names(purchases("-o", "json")) == ["acme-mx1-3f9a2c", "1001/mx1-2"]
    assert len(names(purchases("--all", "-o", "json"))) == 3


def test_purchase_that_is_settled_has_an_outcome(purchases: Penguin, journal: FileJournal) -> None:
    purchases("settle", "acme-mx1-3f9a2c", "1001")
    purchases("settle", "1001/mx1-2", "198.18.1.11")
    assert journal.waiting() == []
    assert journal.adopted("1001") == ["198.18.1.11"]


def test_purchase_that_is_forgotten_is_no_longer_listed(
    purchases: Penguin, journal: FileJournal
) -> None:
    assert "may be bought again" in purchases("forget", "acme-mx1-3f9a2c").stdout
    assert journal.find("acme-mx1-3f9a2c") is None


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("forget", "acme-mx9"), Fault),
        (("settle", "acme-mx9", "1001"), Fault),
        (("settle", "acme-mx1-3f9a2c", "mx1"), Fault),
        (("settle", "1001/mx1-2", "1001"), Fault),
    ],
)
def test_outcome_that_is_malformed_changes_nothing(
    purchases: Penguin, journal: FileJournal, arguments: tuple[str, ...], kind: type[Exception]
) -> None:
    before = journal.intents()
    assert isinstance(purchases(*arguments).exception, kind)
    assert journal.intents() == before


def test_purchase_that_does_not_exist_is_refused(purchases: Penguin) -> None:
    error = purchases("forget", "acme-mx9").exception
    assert isinstance(error, Fault)

    def fail() -> None:
        raise error

    assert_shows(printed(fail), NO_SUCH_PURCHASE, name="acme-mx9")
