"""A ledger that was restored lets nothing be bought and ended before it is recovered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from controlplane.hostwinds.servers import HostwindsServers
from hostwinds.client import Client
from hostwinds.faults import DATABASE_RESTORED
from hostwinds.journal.fence import Fence
from hostwinds.journal.postgres import PostgresJournal, grant_rights
from hostwinds.purchase import Buyer, Deadlines, Order
from hostwinds.recovery import adopt, compare
from kit.database import Role, role_dsn
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import KEY, Clock
from tests.support.backups import dump, restored
from tests.support.faults import fault_shown
from tests.support.installation import PASSWORDS, login

FIRST, SECOND = (f"acme-mx{number}-abc123" for number in (1, 2))
Make = Callable[[PostgresJournal], Buyer]


@pytest.fixture
def make(client: Client, clock: Clock) -> Make:
    start = datetime.now(UTC)

    def buyer(journal: PostgresJournal) -> Buyer:
        return Buyer(
            client,
            journal,
            Deadlines(),
            clock=lambda: start + timedelta(seconds=clock.now),
            pause=clock.pause,
        )

    return buyer


def order(name: str) -> Order:
    return Order(name, 1, 2048, 50, "Seattle", "Debian 13")


@pytest.fixture
def journal(
    make: Make, database: str, hostwinds_account: HostwindsAccount
) -> Iterator[PostgresJournal]:
    """A journal that knows the first server, restored after the second was bought."""
    before = PostgresJournal(database)
    for name in (FIRST, SECOND):
        before.agree(name, 999)
    make(before).instance(order(FIRST), lambda _: None)
    content = dump(database)
    make(before).instance(order(SECOND), lambda _: None)
    before.require_bound()
    with restored(database, content) as dsn:
        yield PostgresJournal(dsn)


def bought(account: HostwindsAccount) -> list[str]:
    return [str(line["what"]) for line in account.ledger]


def test_restored_journal_lets_nothing_be_bought_and_ended(
    journal: PostgresJournal, make: Make, hostwinds_account: HostwindsAccount
) -> None:
    journal.agree("acme-mx3-abc123", 999)
    row = journal.find(FIRST)
    assert row is not None
    with fault_shown(DATABASE_RESTORED):
        make(journal).instance(order("acme-mx3-abc123"), lambda _: None)
    with fault_shown(DATABASE_RESTORED):
        make(journal).end_instance(int(str(row.outcome)), FIRST, lambda _: None)
    with fault_shown(DATABASE_RESTORED):
        journal.raise_fence("k3f9a/acme", 7)
    with fault_shown(DATABASE_RESTORED), Fence(journal, "k3f9a/acme", 7).held():
        pass
    assert bought(hostwinds_account) == [FIRST, SECOND]
    assert len(list(hostwinds_account.all_servers())) == 2
    assert journal.find("acme-mx3-abc123") is None


def test_server_that_was_bought_after_the_backup_is_adopted_and_not_bought_again(
    journal: PostgresJournal, make: Make, client: Client, hostwinds_account: HostwindsAccount
) -> None:
    assert journal.find(SECOND) is None
    found = compare(
        client.instances(),
        journal.ledger(),
        wanted={FIRST, SECOND},
        is_ours=lambda name: name.startswith("acme-"),
    )
    adopt(journal, found)
    with fault_shown(DATABASE_RESTORED):
        journal.require_bound()
    journal.bind()
    server = make(journal).instance(order(SECOND), lambda _: None)
    assert bought(hostwinds_account) == [FIRST, SECOND]
    make(journal).end_instance(server.service_id, SECOND, lambda _: None)
    assert [one.name for one in client.instances()] == [FIRST]


def test_journal_that_is_unbound_lets_nothing_be_bought_before_it_is_recovered(
    database: str, make: Make, hostwinds_account: HostwindsAccount
) -> None:
    journal = PostgresJournal(database)
    journal.agree(FIRST, 999)
    journal.unbind("the account has server 1001 (acme-mx2-abc123)")
    assert journal.bound_at() is None
    with fault_shown(DATABASE_RESTORED):
        make(journal).instance(order(FIRST), lambda _: None)
    with fault_shown(DATABASE_RESTORED):
        journal.raise_fence("k3f9a/acme", 7)
    assert bought(hostwinds_account) == []
    journal.bind()
    assert journal.bound_at() is not None
    make(journal).instance(order(FIRST), lambda _: None)


def test_server_of_after_a_snapshot_that_is_restored_in_place_shows_that_it_was(
    database: str,
    make: Make,
    client: Client,
    hostwinds_account: HostwindsAccount,
    url: str,
) -> None:
    """Server, timeline and number of the database are the same."""
    journal = PostgresJournal(database)
    for name in (FIRST, SECOND):
        journal.agree(name, 999)
    make(journal).instance(order(FIRST), lambda _: None)
    environment = {"HOSTWINDS_API_URL": url, "HOSTWINDS_API_KEY": KEY, "HOSTWINDS_RATE": "1000"}
    environment["HOSTWINDS_JOURNAL"] = database
    servers = HostwindsServers(environment, is_ours=lambda name: name.startswith("acme-"))
    with psycopg.connect(database) as admin:
        admin.execute("create table snapshot as select * from purchase.intents")
    make(journal).instance(order(SECOND), lambda _: None)
    assert servers.listed() is not None
    journal.require_bound()
    with psycopg.connect(database) as admin:
        admin.execute("truncate purchase.intents")
        admin.execute("insert into purchase.intents select * from snapshot")
    hostwinds_account.order("other-mx1", "52", 12)
    assert servers.listed() is not None
    with fault_shown(DATABASE_RESTORED):
        journal.require_bound()
    for wanted in ({FIRST}, {FIRST, SECOND}):  # the document that has it is applied afterwards
        listed = [one for one in client.instances() if one.name.startswith("acme-")]
        found = compare(listed, journal.ledger(), wanted=wanted, is_ours=lambda _: True)
        adopt(journal, found)
        journal.bind()
        assert servers.listed() is not None
        journal.require_bound()
    assert len(bought(hostwinds_account)) == 3


def test_journal_of_an_earlier_version_is_bound_where_it_is(database: str) -> None:
    journal = PostgresJournal(database)
    journal.identity()
    with psycopg.connect(database) as admin:
        admin.execute("update purchase.journal set system = null, timeline = null, database = null")
    journal.raise_fence("k3f9a/acme", 7)
    with psycopg.connect(database) as admin:
        row = admin.execute("select system is not null from purchase.journal").fetchone()
        assert row == (True,)
        admin.execute("update purchase.journal set timeline = timeline + 1")
    with fault_shown(DATABASE_RESTORED):  # a standby was promoted
        journal.raise_fence("k3f9a/acme", 8)


def test_role_of_the_journal_sees_that_its_database_was_restored(upgraded: str) -> None:
    with psycopg.connect(upgraded) as admin:
        grant_rights(admin, login(Role.JOURNAL))
    secret = PASSWORDS[Role.JOURNAL].get_secret_value()
    journal = PostgresJournal(role_dsn(upgraded, login(Role.JOURNAL), secret))
    journal.require_bound()
    with psycopg.connect(upgraded) as admin:
        admin.execute("update purchase.journal set database = database + 1")
    with fault_shown(DATABASE_RESTORED):
        journal.require_bound()
    journal.bind()
    journal.require_bound()
