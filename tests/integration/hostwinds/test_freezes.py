"""What an operator has frozen does not begin: looked up in the journal right before each call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from hostwinds.client import Client
from hostwinds.faults import FROZEN
from hostwinds.journal.port import Frozen
from hostwinds.journal.postgres import PostgresJournal, grant_rights
from hostwinds.purchase import Buyer, Deadlines, Order
from kit.database import Role, role_dsn
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import Clock
from tests.support.faults import fault_shown
from tests.support.freezes import ACTOR, REASON, freeze, unfreeze
from tests.support.installation import PASSWORDS, login

ORDER = Order("acme-mx1-abc123", 1, 2048, 50, "Seattle", "Debian 13")
WHY = {"reason": REASON, "actor": ACTOR}


@pytest.fixture
def journal(database: str) -> PostgresJournal:
    return PostgresJournal(database)


@pytest.fixture
def buyer(client: Client, journal: PostgresJournal, clock: Clock) -> Buyer:
    start = datetime.now(UTC)
    journal.agree(ORDER.name, 999)
    return Buyer(
        client,
        journal,
        Deadlines(poll=30, provisioning=1800, portal=60),
        clock=lambda: start + timedelta(seconds=clock.now),
        pause=clock.pause,
    )


def test_frozen_purchase_is_not_ordered_and_one_that_was_is_waited_for(
    buyer: Buyer, journal: PostgresJournal, hostwinds_account: HostwindsAccount, database: str
) -> None:
    freeze(database, Frozen.PURCHASES)
    with fault_shown(FROZEN, name=ORDER.name, done="ordered", what="purchases", **WHY):
        buyer.instance(ORDER, lambda _: None)
    assert hostwinds_account.ledger == []
    assert journal.find(ORDER.name) is None
    freeze(database, Frozen.DESTRUCTION)
    unfreeze(database, Frozen.PURCHASES)
    buyer.instance(ORDER, lambda _: None)
    freeze(database, Frozen.PURCHASES)
    assert buyer.instance(ORDER, lambda _: None).name == ORDER.name
    assert [line["kind"] for line in hostwinds_account.ledger] == ["server"]


def test_frozen_server_and_address_are_not_ended(
    buyer: Buyer, journal: PostgresJournal, hostwinds_account: HostwindsAccount, database: str
) -> None:
    service = buyer.instance(ORDER, lambda _: None).service_id
    hostwinds_account.attach(service)
    address = buyer.address(service, "mx1-2", lambda _: None)
    freeze(database, Frozen.DESTRUCTION)
    with fault_shown(FROZEN, name=address, done="released", what="destruction", **WHY):
        buyer.end_address(service, "mx1-2", address)
    with fault_shown(FROZEN, name=ORDER.name, done="ended", what="destruction", **WHY):
        buyer.end_instance(service, ORDER.name, lambda _: None)
    assert [server.serviceid for server in hostwinds_account.all_servers()] == [service]
    assert journal.find(ORDER.name) is not None
    unfreeze(database, Frozen.DESTRUCTION)
    buyer.end_address(service, "mx1-2", address)
    buyer.end_instance(service, ORDER.name, lambda _: None)
    assert list(hostwinds_account.all_servers()) == []


def test_only_an_operator_of_the_control_plane_freezes_what_the_journal_sees(upgraded: str) -> None:
    with psycopg.connect(upgraded) as admin:
        role = login(Role.JOURNAL)
        admin.execute(f"grant insert, update, delete on purchase.freezes to {role}")  # as it was
        grant_rights(admin, role)
    operator = PASSWORDS[Role.OPERATOR].get_secret_value()
    with psycopg.connect(role_dsn(upgraded, login(Role.OPERATOR), operator)) as connection:
        connection.execute(
            "insert into purchase.freezes (what, reason, actor) values ('purchases', 'r', 'a')"
        )
        connection.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from purchase.intents")
    secret = PASSWORDS[Role.JOURNAL].get_secret_value()
    dsn = role_dsn(upgraded, login(Role.JOURNAL), secret)
    seen = PostgresJournal(dsn).frozen(Frozen.PURCHASES)
    assert seen is not None
    assert (seen.reason, seen.actor) == ("r", "a")
    assert PostgresJournal(dsn).frozen(Frozen.DESTRUCTION) is None
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        unfreeze(dsn, Frozen.PURCHASES)
