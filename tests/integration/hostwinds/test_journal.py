"""Both journals have the same guarantees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hostwinds.faults import JOURNAL_UNAVAILABLE
from hostwinds.journal import Journal
from hostwinds.journal.file import FileJournal
from hostwinds.journal.postgres import PostgresJournal
from tests.support.faults import fault_shown


def test_intent_opened_twice_is_new_once(journal: Journal) -> None:
    first, first_is_new = journal.open("acme-mx1")
    second, second_is_new = journal.open("acme-mx1")
    assert (first_is_new, second_is_new) == (True, False)
    assert second == first
    assert journal.find("acme-mx1") == first
    assert journal.find("other") is None


def test_intent_opened_concurrently_is_new_once(journal: Journal) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: journal.open("acme-mx1")[1], range(8)))
    assert answers.count(True) == 1


def test_outcome_is_kept_until_the_intent_is_closed(journal: Journal) -> None:
    journal.open("acme-mx1")
    journal.settle("acme-mx1", "1001")
    intent = journal.find("acme-mx1")
    assert intent is not None
    assert intent.outcome == "1001"
    journal.close("acme-mx1")
    journal.close("acme-mx1")
    assert journal.open("acme-mx1")[1]


def test_outcome_of_a_closed_intent_is_written(journal: Journal) -> None:
    journal.settle("acme-mx1", "1001")
    assert [(intent.key, intent.outcome) for intent in journal.intents()] == [("acme-mx1", "1001")]


def test_journal_unwritable_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "damaged.json").write_text("{")
    (tmp_path / "file").touch()
    for file in (tmp_path / "damaged.json", tmp_path / "file" / "journal.json"):
        with fault_shown(JOURNAL_UNAVAILABLE, location=file, reason=...):
            FileJournal(file).open("acme-mx1")
    with fault_shown(JOURNAL_UNAVAILABLE, reason=...):
        PostgresJournal("postgresql://nobody@127.0.0.1:9/none").open("acme-mx1")


def test_write_interrupted_leaves_the_journal_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal(tmp_path / "journal.json")
    journal.open("acme-mx1")

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            journal.settle("acme-mx1", "1001")
    assert [intent.outcome for intent in journal.intents()] == [None]
    journal.settle("acme-mx1", "1001")
    assert [intent.outcome for intent in journal.intents()] == ["1001"]
    assert {path.name for path in tmp_path.iterdir()} == {"journal.json", "journal.json.lock"}


def test_waiting_intents_are_oldest_first(journal: Journal) -> None:
    for key in ("b", "a", "c"):
        journal.open(key)
    journal.settle("a", "1")
    assert [intent.key for intent in journal.waiting()] == ["b", "c"]


def test_adopt_assigns_free_addresses_by_name(journal: Journal) -> None:
    for name in ("mx1-3", "mx1-2"):
        journal.open(f"1001/{name}")
    assert journal.adopt("1001", "1001/mx1-3", ["198.18.1.11"]) is None
    assert journal.adopt("1001", "1001/mx1-2", ["198.18.1.11"]) == "198.18.1.11"
    assert journal.adopt("1001", "1001/mx1-2", []) == "198.18.1.11"
    both = ["198.18.1.11", "198.18.1.12"]
    assert journal.adopt("1001", "1001/mx1-3", both) == "198.18.1.12"
    assert sorted(journal.adopted("1001")) == both


def test_adopt_assigns_an_address_once(journal: Journal) -> None:
    keys = [f"1001/mx1-{number}" for number in range(2, 8)]
    for key in keys:
        journal.open(key)
    candidates = [f"198.18.1.{number}" for number in range(11, 14)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda key: journal.adopt("1001", key, candidates), keys))
    assigned = [address for address in results if address]
    assert len(assigned) == len(set(assigned))
    assert set(assigned) <= set(candidates)


def test_adopt_distinguishes_groups_with_a_common_prefix(journal: Journal) -> None:
    journal.open("100/a")
    journal.open("1001/a")
    assert journal.adopt("100", "100/a", ["198.18.1.11"]) == "198.18.1.11"
    assert journal.adopted("1001") == []


def test_fence_only_rises(journal: Journal) -> None:
    assert journal.fence("acme") == 0
    journal.raise_fence("acme", 7)
    journal.raise_fence("acme", 3)
    assert journal.fence("acme") == 7
