"""`penguin purchases recover`: a purchase that was made after a backup is adopted, and one only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import psycopg
import pytest

from blueprint.naming import server_name
from cli.faults import UNCONFIRMED
from hostwinds.faults import DATABASE_RESTORED
from hostwinds.journal.postgres import PostgresJournal
from lab.hostwinds.account import HostwindsAccount
from lab.hostwinds.app import create_app
from lab.memory import MemoryMachines, MemoryNameserver
from tests.integration.controlplane.conftest import document
from tests.support.backups import dump, restored
from tests.support.emulator import Emulator
from tests.support.faults import assert_shows, fault_shown

from .conftest import Installation
from .test_purchases import TENANT

WHY = ("--reason", "restored from the backup of noon")


@pytest.fixture
def account() -> Iterator[HostwindsAccount]:
    account = HostwindsAccount(MemoryMachines(), MemoryNameserver(), "key", show_after=0)
    yield account
    account.close()


@pytest.fixture
def labels(installation: Installation) -> tuple[str, str]:
    """The names of a server that the only tenant wants, and of one that it does not."""
    settings = (installation.directory / "settings.env").read_text()
    [number] = re.findall(r'PENGUIN_PLATFORM__INSTALLATION="(\w+)"', settings)
    return server_name(number, "acme-two", "mx1", 1), server_name(number, "acme-two", "mx7", 1)


@pytest.fixture
def label(labels: tuple[str, str]) -> str:
    return labels[0]


@pytest.fixture
def recovered(
    installation: Installation,
    account: HostwindsAccount,
    emulator: Emulator,
    labels: tuple[str, str],
) -> Iterator[Installation]:
    """An installation on a restored database: two servers were bought after the backup."""
    emulator.app = create_app(account)
    installation.do("db", "upgrade")
    with psycopg.connect(installation.dsn) as admin:
        admin.execute(TENANT, [json.dumps(document("acme-two"))])
    content = dump(installation.dsn)
    for name in labels:
        account.order(name, "52", 12)
    with restored(installation.dsn, content) as dsn:
        installation.dsn = dsn
        installation.environment |= {
            "PENGUIN_DATABASE__DSN": dsn,
            "HOSTWINDS_API_URL": f"{emulator.url}/cloud/api.php",
            "HOSTWINDS_API_KEY": "key",
            "HOSTWINDS_RATE": "1000",
        }
        yield installation


def test_differences_are_shown_and_nothing_is_changed(
    recovered: Installation, labels: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    recovered.do("purchases", "recover", "--dry-run", "-o", "json", *WHY)
    assert [(row["name"], row["finding"]) for row in json.loads(capsys.readouterr().out)] == [
        (labels[0], "adopted"),
        (labels[1], "left"),
    ]
    refused = recovered.run("purchases", "recover", *WHY)
    assert refused.returncode != 0
    assert labels[0] in refused.stdout
    assert_shows(refused.stderr, UNCONFIRMED, reason=..., command=...)
    journal = PostgresJournal(recovered.dsn)
    assert journal.ledger() == []
    with fault_shown(DATABASE_RESTORED):
        journal.require_bound()


def test_purchase_of_after_the_backup_is_adopted_and_the_epoch_is_raised(
    recovered: Installation, label: str, account: HostwindsAccount
) -> None:
    with psycopg.connect(recovered.dsn) as admin:
        admin.execute("update oltp.schedule set due_at = 'infinity'")
        [before] = admin.execute("select last_value from oltp.fencing").fetchone() or (0,)
    for _ in range(2):
        recovered.do("purchases", "recover", "--yes", *WHY)
    journal = PostgresJournal(recovered.dsn)
    journal.require_bound()
    [row] = journal.intents()
    [service] = [one.serviceid for one in account.all_servers() if one.srvrname == label]
    assert (row.key, row.outcome) == (label, str(service))
    assert len(account.ledger) == 2, "nothing was bought since"
    with psycopg.connect(recovered.dsn) as admin:
        token = admin.execute("select nextval('oltp.fencing')").fetchone()
        assert token is not None
        assert token[0] > before + 2**40
        shown = admin.execute(
            "select refresh_asked_at is not null, due_at <= now() "
            "from oltp.tenants join oltp.schedule on tenant_id = id"
        ).fetchall()
        assert shown == [(True, True)]
        events = admin.execute("select reason, message from oltp.events").fetchall()
        assert events == [("Recovered", WHY[1])] * 2
