"""No order exceeds what operators limit all purchases to, or those of each owner."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context

import psycopg
import pytest

from hostwinds import limits
from hostwinds.client import Client
from hostwinds.faults import LIMIT_REACHED
from hostwinds.journal import close_server
from hostwinds.journal.port import EACH_OWNER, PLATFORM, Limit
from hostwinds.journal.postgres import PostgresJournal, grant_rights
from hostwinds.purchase import Buyer, Deadlines, Order
from kit.database import AdvisoryLock, Role, role_dsn
from kit.faults import Fault
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import Clock
from tests.support.faults import fault_shown
from tests.support.installation import PASSWORDS, login
from tests.support.limits import limit
from tests.support.waiting import wait_for

FIRST, SECOND, THIRD = (f"acme-mx{number}-abc123" for number in (1, 2, 3))
ACME, OTHER = "k3f9a/acme", "k3f9a/other"
ALL = {"scope": PLATFORM}
WAITING = (
    "select count(*) from pg_locks where locktype = 'advisory' and not granted "
    "and database = (select oid from pg_database where datname = current_database())"
)


@pytest.fixture
def journal(database: str) -> PostgresJournal:
    return PostgresJournal(database)


@pytest.fixture
def buy(client: Client, journal: PostgresJournal, clock: Clock) -> Callable[..., object]:
    start = datetime.now(UTC)
    buyer = Buyer(
        client,
        journal,
        Deadlines(),
        clock=lambda: start + timedelta(seconds=clock.now),
        pause=clock.pause,
    )

    def act(name: str, owner: str = "") -> object:
        journal.agree(name, 999, owner)
        return buyer.instance(Order(name, 1, 2048, 50, "Seattle", "Debian 13"), lambda _: None)

    return act


def bought(account: HostwindsAccount) -> list[str]:
    return [str(line["what"]) for line in account.ledger]


def test_server_beyond_the_monthly_limit_is_not_ordered(
    buy: Callable[..., object],
    journal: PostgresJournal,
    hostwinds_account: HostwindsAccount,
    database: str,
) -> None:
    limit(database, Limit(PLATFORM, monthly_cents=1998))
    buy(FIRST)
    buy(SECOND)
    what = "all servers would cost 29.97 USD a month, and the limit is 19.98"
    with fault_shown(LIMIT_REACHED, name=THIRD, what=what, change="--monthly 29.97", **ALL):
        buy(THIRD)
    buy(SECOND)  # has been ordered
    assert bought(hostwinds_account) == [FIRST, SECOND]
    assert journal.find(THIRD) is None
    close_server(journal, FIRST)
    buy(THIRD)
    assert bought(hostwinds_account) == [FIRST, SECOND, THIRD]


def test_orders_of_a_day_are_limited_whatever_became_of_them(
    buy: Callable[..., object],
    journal: PostgresJournal,
    hostwinds_account: HostwindsAccount,
    database: str,
) -> None:
    limit(database, Limit(PLATFORM, orders_a_day=1))
    buy(FIRST)
    close_server(journal, FIRST)
    what = "it would be order 2 of all servers within a day, and the limit is 1"
    with fault_shown(LIMIT_REACHED, name=SECOND, what=what, change="--orders-a-day 2", **ALL):
        buy(SECOND)
    assert bought(hostwinds_account) == [FIRST]


def test_owner_at_the_limit_of_each_keeps_no_other_from_buying(
    buy: Callable[..., object], hostwinds_account: HostwindsAccount, database: str
) -> None:
    limit(database, Limit(EACH_OWNER, monthly_cents=999, orders_a_day=5))
    buy(FIRST, ACME)
    what = "the servers of tenant/acme would cost 19.98 USD a month, and the limit is 9.99"
    with fault_shown(
        LIMIT_REACHED, name=SECOND, what=what, scope="tenant/acme", change="--monthly 19.98"
    ):
        buy(SECOND, ACME)
    buy(THIRD, OTHER)
    assert bought(hostwinds_account) == [FIRST, THIRD]


def test_own_limit_counts_in_the_place_of_that_of_each_and_below_that_of_all(
    buy: Callable[..., object], hostwinds_account: HostwindsAccount, database: str
) -> None:
    limit(database, Limit(PLATFORM, monthly_cents=1998))
    limit(database, Limit(EACH_OWNER, monthly_cents=999, orders_a_day=2))
    limit(database, Limit(ACME, monthly_cents=9999))
    buy(FIRST, ACME)
    buy(SECOND, ACME)
    with fault_shown(LIMIT_REACHED, name=THIRD, what=..., change="--monthly 29.97", **ALL):
        buy(THIRD, ACME)
    limit(database, Limit(PLATFORM))
    with fault_shown(
        LIMIT_REACHED, name=THIRD, what=..., scope="tenant/acme", change="--orders-a-day 3"
    ):
        buy(THIRD, ACME)
    assert bought(hostwinds_account) == [FIRST, SECOND]


def test_server_ordered_before_its_owner_was_known_counts(
    journal: PostgresJournal, buy: Callable[..., object], database: str
) -> None:
    limit(database, Limit(EACH_OWNER, orders_a_day=1))
    journal.open(FIRST)
    journal.agree(FIRST, 999, ACME)
    row = journal.find(FIRST)
    assert row is not None
    assert (row.owner, row.agreed_cents) == (ACME, None)
    with fault_shown(LIMIT_REACHED, name=SECOND, what=..., scope="tenant/acme", change=...):
        buy(SECOND, ACME)


def order(database: str, number: int) -> bool:
    """Order in a process of its own; False where a limit prevents it."""
    journal, name = PostgresJournal(database), f"acme-mx{number}"
    journal.agree(name, 999, ACME)
    try:
        return journal.open(name, ceiling=999, permit=partial(limits.check, name, 999))[1]
    except Fault as fault:
        if fault.code is LIMIT_REACHED:
            return False
        raise


@pytest.mark.parametrize(
    "one", [Limit(ACME, monthly_cents=2997), Limit(EACH_OWNER, orders_a_day=3)]
)
def test_orders_of_several_processes_at_the_same_time_are_counted_exactly(
    database: str, one: Limit
) -> None:
    limit(database, one)
    with (
        ProcessPoolExecutor(6, mp_context=get_context("spawn")) as pool,
        psycopg.connect(database) as admin,
    ):
        admin.execute("select pg_advisory_xact_lock(%s)", [AdvisoryLock.ORDERS])
        orders = [pool.submit(order, database, number) for number in range(6)]
        with psycopg.connect(database, autocommit=True) as watch:
            wait_for(lambda: (watch.execute(WAITING).fetchone() or [0])[0] == 6, seconds=60)
        admin.rollback()
        assert [each.result() for each in orders].count(True) == 3


def test_only_an_operator_of_the_control_plane_limits_what_the_journal_buys(upgraded: str) -> None:
    with psycopg.connect(upgraded) as admin:
        grant_rights(admin, login(Role.JOURNAL))
    secret = PASSWORDS[Role.OPERATOR].get_secret_value()
    limit_dsn = role_dsn(upgraded, login(Role.OPERATOR), secret)
    with psycopg.connect(limit_dsn) as connection:
        connection.execute(
            "insert into purchase.limits (scope, orders_a_day, reason, actor) "
            "values ('platform', 0, 'r', 'a')"
        )
    secret = PASSWORDS[Role.JOURNAL].get_secret_value()
    dsn = role_dsn(upgraded, login(Role.JOURNAL), secret)
    assert not order(dsn, 1)
    with (
        psycopg.connect(dsn) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("delete from purchase.limits")
