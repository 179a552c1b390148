"""An operator settles purchases whose outcome is unknown."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import psycopg
import pytest
from typer.testing import CliRunner, Result

from blueprint.naming import server_name
from composition.faults import NO_SUCH_PURCHASE, ORDERED_ALREADY
from composition.purchases import app
from hostwinds.client import Client
from hostwinds.faults import NO_JOURNAL
from hostwinds.journal import journal_at, journal_from_environment
from hostwinds.journal.file import FileJournal
from hostwinds.journal.postgres import PostgresJournal
from kit.faults import Fault
from kit.paths import checkout
from kit.plugins import SERVED
from tests.integration.controlplane.conftest import document
from tests.support.faults import assert_shows, fault_shown, printed

from .conftest import Installation

TENANT = """
with tenant as (
    insert into oltp.tenants (id, name, generation, document, created_at, updated_at)
    values (gen_random_uuid(), 'acme-two', 1, %s, now(), now()) returning id
)
insert into oltp.schedule (tenant_id, due_at, priority) select id, 'infinity', 2 from tenant
"""
FILE = "HOSTWINDS_JOURNAL is no postgresql:// URL, and no other machine shares a file"
Penguin = Callable[..., Result]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileJournal:
    monkeypatch.setenv("HOSTWINDS_API_URL", "http://127.0.0.1:9/")
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
        (("settle", "1001/mx1-2", "2001:db8::7"), Fault),
        (("settle", "1001/mx1-2", "10.0.0.5"), Fault),
        (("settle", "acme-mx1-3f9a2c", "1002"), Fault),
        (("settle", "acme-mx1-3f9a2c", "\u0661\u0660"), Fault),
    ],
)
def test_outcome_that_is_malformed_changes_nothing(
    purchases: Penguin, journal: FileJournal, arguments: tuple[str, ...], kind: type[Exception]
) -> None:
    before = journal.intents()
    assert isinstance(purchases(*arguments).exception, kind)
    assert journal.intents() == before


def test_closed_purchases_are_listed_with_their_dates(
    purchases: Penguin, journal: FileJournal
) -> None:
    purchases("forget", "acme-mx1-3f9a2c")
    rows = {row["name"]: row for row in json.loads(purchases("--all", "-o", "json").stdout)}
    assert rows["acme-mx1-3f9a2c"]["closed_at"] is not None
    assert rows["beta-mx1-77d0a1"]["closed_at"] is None
    assert "acme-mx1-3f9a2c" not in names(purchases("-o", "json"))


def test_addresses_of_a_forgotten_server_are_forgotten(
    purchases: Penguin, journal: FileJournal
) -> None:
    purchases("settle", "acme-mx1-3f9a2c", "1001")
    purchases("forget", "acme-mx1-3f9a2c")
    assert [intent.key for intent in journal.intents()] == ["beta-mx1-77d0a1"]


@pytest.mark.parametrize(("price", "cents"), [("45.99", 4599), ("46", 4600), ("45.9", 4590)])
def test_higher_price_is_agreed_to(
    purchases: Penguin, journal: FileJournal, price: str, cents: int
) -> None:
    journal.agree("acme-mx2-1c0ffe", 3899)
    assert "may cost" in purchases("agree", "acme-mx2-1c0ffe", price).stdout
    assert journal.agreed("acme-mx2-1c0ffe") == cents
    rows = {row["name"]: row for row in json.loads(purchases("--all", "-o", "json").stdout)}
    assert rows["acme-mx2-1c0ffe"]["outcome"] == "not ordered"
    assert rows["acme-mx2-1c0ffe"]["agreed_usd"] == f"{cents / 100:.2f}"


@pytest.mark.parametrize("price", ["", "-1", "1e3", "45,99", "45.999", "nan", "٤٥", "9999999"])
def test_price_that_is_malformed_is_not_agreed_to(
    purchases: Penguin, journal: FileJournal, price: str
) -> None:
    journal.agree("acme-mx2-1c0ffe", 3899)
    refused = purchases("agree", "--", "acme-mx2-1c0ffe", price).exception
    assert isinstance(refused, Fault)
    assert journal.agreed("acme-mx2-1c0ffe") == 3899


def test_price_of_a_purchase_that_was_ordered_is_refused(
    purchases: Penguin, journal: FileJournal
) -> None:
    journal.agree("acme-mx2-1c0ffe", 3899)
    journal.open("acme-mx2-1c0ffe")
    refused = purchases("agree", "acme-mx2-1c0ffe", "45.99").exception
    assert_shows(cast("Fault", refused), ORDERED_ALREADY, name="acme-mx2-1c0ffe")
    refused = purchases("agree", "acme-mx9", "45.99").exception
    assert_shows(cast("Fault", refused), NO_SUCH_PURCHASE, name="acme-mx9")


def test_journal_takes_the_place_of_a_lost_one(purchases: Penguin, journal: FileJournal) -> None:
    lost = "0f6d7c1e-6a0b-4e7e-9d5c-2f1f4a9b7c10"
    assert isinstance(purchases("replace", "lost").exception, Fault)
    assert lost in purchases("replace", lost).stdout
    assert journal.identity() == lost


@pytest.mark.parametrize("confirmed", ["", "1"])
def test_number_that_the_provider_has_confirmed_is_not_written_over(
    purchases: Penguin, journal: FileJournal, confirmed: str
) -> None:
    journal.settle("acme-mx1-3f9a2c", "1001", confirmed)
    result = purchases("settle", "acme-mx1-3f9a2c", "1003")
    assert isinstance(result.exception, Fault) is bool(confirmed)
    assert journal.ledger()[0].outcome == ("1001" if confirmed else "1003")


def test_tenant_of_a_purchase_is_woken(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.do("db", "upgrade")
    capsys.readouterr()
    [number] = re.findall(
        r'PENGUIN_PLATFORM__INSTALLATION="(\w+)"',
        (installation.directory / "settings.env").read_text(),
    )
    label = server_name(number, "acme-two", "mx1", 1)
    journal = PostgresJournal(installation.dsn)
    with psycopg.connect(installation.dsn, autocommit=True) as connection:
        connection.execute(TENANT, [json.dumps(document("acme-two"))])
        for command in (
            ("agree", label, "45.99"),
            ("settle", label, "1001"),
            ("settle", f"1001/{label}/mx1-2", "198.18.1.11"),
            ("forget", label),
        ):
            journal.agree(label, 3899)
            journal.open(f"1001/{label}/mx1-2")
            connection.execute("update oltp.schedule set due_at = 'infinity'")
            installation.do("purchases", *command)
            assert capsys.readouterr().err == ""
            due = connection.execute("select due_at <= now() from oltp.schedule").fetchall()
            assert due == [(True,)], command


def test_purchases_without_a_variable_are_those_of_the_control_plane(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`penguin serve`, commands and runs by hand share the journal in its database."""
    installation.do("db", "upgrade")
    capsys.readouterr()
    installation.do("purchases", "env")
    printed_url = capsys.readouterr().out.strip()
    [url] = shlex.split(printed_url.removeprefix("export HOSTWINDS_JOURNAL="))
    journal_at(url).open("acme-mx1-3f9a2c")
    installation.do("purchases")
    assert "acme-mx1-3f9a2c" in capsys.readouterr().out
    served = engine_variables(installation, HOSTWINDS_JOURNAL=str(tmp_path / "journal.json"))
    assert served["HOSTWINDS_JOURNAL"] == url


def test_operations_serve_the_plugins_that_the_environment_names(
    installation: Installation,
) -> None:
    variables = engine_variables(installation, **{SERVED: "cloudflare=somewhere", "PENGUIN_X": "x"})
    assert variables[SERVED] == "cloudflare=somewhere"
    assert "PENGUIN_X" not in variables


def engine_variables(installation: Installation, **environment: str) -> dict[str, str]:
    """Return the variables that `penguin serve` gives to operations of the engine."""
    script = (
        "import json; from kit.paths import state_dir; from composition.settings import Settings;"
        "from composition.serving import engine_environment;"
        "found = engine_environment(Settings.read(state_dir()));"
        "print(json.dumps({name: value.get_secret_value() for name, value in found.items()}))"
    )
    served = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **installation.environment,
            "PULUMI_BACKEND_URL": "file:///nowhere",
            "PULUMI_HOME": "/nowhere",
            **environment,
        },
        cwd=checkout(),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(served.stdout))


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "HOSTWINDS_JOURNAL is not set"),
        ({"HOSTWINDS_JOURNAL": " "}, "HOSTWINDS_JOURNAL is not set"),
        ({"HOSTWINDS_JOURNAL": "/srv/journal.json"}, FILE),
        (
            {
                "HOSTWINDS_JOURNAL": "/srv/journal.json",
                "HOSTWINDS_API_URL": "https://clients.hostwinds.com/cloud/api.php",
            },
            FILE,
        ),
        (
            {
                "HOSTWINDS_JOURNAL": "/srv/journal.json",
                "HOSTWINDS_API_URL": "https://localhost.example.com/cloud/api.php",
            },
            FILE,
        ),
    ],
)
def test_real_provider_needs_a_journal_in_a_database(
    environment: dict[str, str], problem: str
) -> None:
    environment["HOSTWINDS_API_KEY"] = "key"
    with fault_shown(NO_JOURNAL, problem=problem):
        journal_from_environment(environment)
    with fault_shown(NO_JOURNAL, problem=problem):
        Client.from_environment(environment)


def test_purchase_that_does_not_exist_is_refused(purchases: Penguin) -> None:
    error = purchases("forget", "acme-mx9").exception
    assert isinstance(error, Fault)

    def fail() -> None:
        raise error

    assert_shows(printed(fail), NO_SUCH_PURCHASE, name="acme-mx9")
