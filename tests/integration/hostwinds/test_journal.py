"""Both journals have the same guarantees."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from hostwinds.faults import JOURNAL_UNAVAILABLE
from hostwinds.journal import Journal
from hostwinds.journal.file import FileJournal
from hostwinds.journal.postgres import PostgresJournal, grant_rights
from kit.database import Role, role_dsn
from tests.support.faults import fault_shown
from tests.support.installation import PASSWORDS, login

EARLIER = """
create schema purchase;
create table purchase.intents (
    key text primary key,
    opened_at timestamptz not null default clock_timestamp(),
    outcome text
);
create table purchase.fences (name text primary key, token bigint not null);
create table purchase.limiter (
    single boolean primary key default true check (single),
    next_slot timestamptz not null default 'epoch',
    taken_at timestamptz not null default 'epoch'
);
insert into purchase.limiter default values;
insert into purchase.intents (key, outcome) values ('acme-mx1', '1001');
"""


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


def test_end_that_was_accepted_is_dated_once_and_closed_with_its_row(journal: Journal) -> None:
    journal.open("acme-mx1")
    journal.settle("acme-mx1", "1001")
    journal.begin_end("acme-mx1")
    first = journal.find("acme-mx1")
    assert first is not None
    assert first.ending_at is not None
    journal.begin_end("acme-mx1")
    assert journal.find("acme-mx1") == first
    journal.close("acme-mx1")
    journal.begin_end("acme-mx1")
    journal.open("acme-mx1")
    again = journal.find("acme-mx1")
    assert again is not None
    assert again.ending_at is None, "another server is not ending"


def test_closed_rows_stay_in_the_ledger_with_their_dates(journal: Journal) -> None:
    for outcome in ("1001", "1002"):
        journal.agree("acme-mx1", 999)
        journal.open("acme-mx1", ceiling=1098)
        journal.answer("acme-mx1", "Hostwinds does not confirm it")
        journal.settle("acme-mx1", outcome, account="77")
        journal.close("acme-mx1")
    assert journal.find("acme-mx1") is None
    assert journal.agreed("acme-mx1") is None
    assert journal.intents() == journal.waiting() == []
    rows = journal.ledger()
    assert [row.outcome for row in rows] == ["1001", "1002"]
    for row in rows:
        assert (row.agreed_cents, row.ceiling_cents, row.account) == (999, 1098, "77")
        assert row.answer == "Hostwinds does not confirm it"
        assert row.closed_at is not None
        assert row.closed_at >= row.opened_at


def test_journal_keeps_its_id(journal: Journal) -> None:
    identity = journal.identity()
    journal.open("acme-mx1")
    assert journal.identity() == identity
    lost = "0f6d7c1e-6a0b-4e7e-9d5c-2f1f4a9b7c10"
    journal.replace(lost)
    assert journal.identity() == lost


def test_price_that_was_agreed_to_is_no_order(journal: Journal) -> None:
    assert journal.agreed("acme-mx1") is None
    assert journal.agree("acme-mx1", 999) == 999
    assert journal.agree("acme-mx1", 1200) == 1200
    assert journal.agree("acme-mx1", 999) == 1200
    assert journal.find("acme-mx1") is None
    assert journal.intents() == journal.waiting() == []
    agreed_at = journal.ledger()[0].opened_at
    intent, new = journal.open("acme-mx1", ceiling=1300)
    assert new
    assert (intent.agreed_cents, intent.ceiling_cents) == (1200, 1300)
    assert intent.opened_at >= agreed_at
    assert journal.open("acme-mx1", ceiling=9999) == (intent, False)
    assert journal.agree("acme-mx1", 9999) == 1200
    assert journal.find("acme-mx1") == intent


def test_price_agreed_to_concurrently_is_ordered_once(journal: Journal) -> None:
    journal.agree("acme-mx1", 999)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: journal.open("acme-mx1")[1], range(8)))
    assert answers.count(True) == 1


def test_account_of_a_purchase_is_kept(journal: Journal) -> None:
    journal.open("acme-mx1")
    journal.settle("acme-mx1", "1001", account="77")
    journal.settle("acme-mx1", "1002")
    assert [(row.outcome, row.account) for row in journal.ledger()] == [("1002", "77")]


def test_journal_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    entry = {"opened_at": "2026-11-24T10:00:00+00:00", "outcome": "1001"}
    file = tmp_path / "journal.json"
    file.write_text(json.dumps({"intents": {"acme-mx1": entry}, "fences": {"acme": 3}}))
    journal = FileJournal(file)
    assert not journal.open("acme-mx1")[1]
    assert [(row.outcome, row.ordered) for row in journal.intents()] == [("1001", True)]
    journal.close("acme-mx1")
    assert [row.closed_at is None for row in journal.ledger()] == [False]
    assert journal.fence("acme") == 3


def test_journal_tables_of_an_earlier_version_are_expanded(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(EARLIER)
    journal = PostgresJournal(database)
    assert [(row.key, row.outcome, row.ordered) for row in journal.intents()] == [
        ("acme-mx1", "1001", True)
    ]
    assert not journal.open("acme-mx1")[1]
    journal.close("acme-mx1")
    assert journal.open("acme-mx1")[1]
    assert len(journal.ledger()) == 2


def test_journal_login_cannot_delete_from_the_ledger(upgraded: str) -> None:
    with psycopg.connect(upgraded) as admin:
        grant_rights(admin, login(Role.JOURNAL))
    secret = PASSWORDS[Role.JOURNAL].get_secret_value()
    dsn = role_dsn(upgraded, login(Role.JOURNAL), secret)
    PostgresJournal(dsn).open("acme-mx1")
    PostgresJournal(dsn).close("acme-mx1")
    with (
        psycopg.connect(dsn) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("delete from purchase.intents")


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


def test_adopt_leaves_an_address_of_another_intent(journal: Journal) -> None:
    journal.open("1002/mx9-2")
    journal.settle("1002/mx9-2", "198.18.1.11")
    journal.open("1001/mx1-2")
    assert journal.adopt("1001", "1001/mx1-2", ["198.18.1.11"]) is None
    journal.close("1002/mx9-2")
    assert journal.adopt("1001", "1001/mx1-2", ["198.18.1.11"]) == "198.18.1.11"


def test_adopt_distinguishes_groups_with_a_common_prefix(journal: Journal) -> None:
    journal.open("100/a")
    journal.open("1001/a")
    assert journal.adopt("100", "100/a", ["198.18.1.11"]) == "198.18.1.11"
    assert journal.adopted("1001") == []


def test_intent_is_on_the_disk_whatever_the_default_of_the_server_is(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        name = sql.Identifier(admin.info.dbname)
        admin.execute(sql.SQL("alter database {} set synchronous_commit = off").format(name))
    with PostgresJournal(database)._transaction() as connection:
        assert connection.execute("show synchronous_commit").fetchone() == ("on",)
