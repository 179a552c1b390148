"""What differs between the account and a ledger that is older."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hostwinds.faults import SEVERAL_SERVERS
from hostwinds.journal.file import FileJournal
from hostwinds.journal.port import Intent
from hostwinds.models import Instance
from hostwinds.recovery import Finding, Found, adopt, compare
from tests.support.faults import fault_shown

AT = datetime(2026, 11, 24, tzinfo=UTC)


def server(service_id: int, name: str) -> Instance:
    return Instance.model_validate({"serviceid": service_id, "srvrname": name, "userid": 7})


def row(name: str, outcome: str | None = None, **columns: object) -> Intent:
    return Intent(name, AT, outcome, **columns)  # type: ignore[arg-type]  # columns of any type


def found(listed: list[Instance], ledger: list[Intent], *wanted: str) -> list[Found]:
    return compare(listed, ledger, wanted=wanted, is_ours=lambda name: name.startswith("k3f9a-"))


def test_server_that_only_the_account_has_is_adopted_if_a_document_wants_it() -> None:
    listed = [server(1001, "k3f9a-a"), server(1002, "k3f9a-b"), server(1003, "other")]
    assert found(listed, [], "k3f9a-a") == [
        Found("k3f9a-a", Finding.ADOPTED, 1001, "7"),
        Found("k3f9a-b", Finding.LEFT, 1002, "7"),
    ]


def test_server_that_both_have_differs_in_nothing_also_under_another_label() -> None:
    assert found([server(1001, "k3f9a-a")], [row("k3f9a-a", "1001")]) == []
    assert found([server(1001, "renamed")], [row("k3f9a-a", "1001")]) == []


def test_server_whose_order_had_no_outcome_or_another_number_is_adopted() -> None:
    for outcome in (None, "1000"):
        assert found([server(1001, "k3f9a-a")], [row("k3f9a-a", outcome)]) == [
            Found("k3f9a-a", Finding.ADOPTED, 1001, "7")
        ]


def test_server_that_only_the_ledger_has_is_named_and_a_closed_one_is_not() -> None:
    ledger = [
        row("k3f9a-a", "1001"),
        row("k3f9a-b"),
        row("k3f9a-c", "1003", closed_at=AT),
        row("k3f9a-d", ordered=False),
        row("1001/k3f9a-a/mx1-2", "198.51.100.7"),
    ]
    assert found([], ledger) == [
        Found("k3f9a-a", Finding.GONE, 1001),
        Found("k3f9a-b", Finding.UNCLEAR),
    ]


def test_two_servers_of_one_name_are_for_a_person() -> None:
    listed = [server(1001, "k3f9a-a"), server(1002, "k3f9a-a")]
    with fault_shown(SEVERAL_SERVERS, numbers="1001, 1002", name="k3f9a-a"):
        found(listed, [])


def test_adopted_server_is_in_the_ledger_once_however_often_it_is_repeated(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal.json")
    journal.settle("k3f9a-a", "1000")
    journal.settle("k3f9a-b", "1002")
    differences = [
        Found("k3f9a-a", Finding.ADOPTED, 1001, "7"),
        Found("k3f9a-b", Finding.GONE, 1002),
        Found("k3f9a-c", Finding.LEFT, 1003),
    ]
    for _ in range(2):
        adopt(journal, differences)
    rows = {(intent.key, intent.outcome) for intent in journal.intents()}
    assert rows == {("k3f9a-a", "1001"), ("k3f9a-b", "1002")}


@pytest.mark.parametrize("finding", list(Finding))
def test_each_finding_has_a_meaning_for_people(finding: Finding) -> None:
    from composition.purchases import MEANINGS

    assert MEANINGS[finding].format(name="k3f9a-a")
