"""Only a public IPv4 address of the server itself is adopted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from hostwinds.client import Client
from hostwinds.faults import PENDING
from hostwinds.journal.file import FileJournal
from hostwinds.purchase import Buyer, Deadlines, Order
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import Clock
from tests.support.faults import fault_shown

FORMS = [
    {"address_lists": lists, "ips": ips, "answers": answers}
    for lists, ips, answers in product(
        ("mixed", "plain"), ("array", "text"), ("live", "documented")
    )
]


@pytest.fixture
def journal(tmp_path) -> FileJournal:
    return FileJournal(tmp_path / "journal.json")


@pytest.fixture
def buyer(client: Client, journal: FileJournal, clock: Clock) -> Buyer:
    start = datetime.now(UTC)
    return Buyer(
        client,
        journal,
        Deadlines(portal=0),
        clock=lambda: start + timedelta(seconds=clock.now),
        pause=clock.pause,
    )


def buy(buyer: Buyer, journal: FileJournal, name: str) -> int:
    journal.agree(name, 999)
    order = Order(name, 1, 2048, 50, "Seattle", "Debian 13")
    return buyer.instance(order, lambda _: None).service_id


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_address_is_adopted_from_each_form_of_the_list(
    buyer: Buyer, journal: FileJournal, hostwinds_account: HostwindsAccount, form: dict[str, str]
) -> None:
    hostwinds_account.switchboard.change(form)
    service = buy(buyer, journal, "acme-mx1-abc123")
    for _ in range(2):
        with fault_shown(PENDING, service_id=service):
            buyer.address(service, "mx1-2", lambda _: None)
    assert journal.adopted(str(service)) == []
    bought = hostwinds_account.attach(service)
    for _ in range(2):
        assert buyer.address(service, "mx1-2", lambda _: None) == bought
    with fault_shown(PENDING, name="mx1-3", service_id=service):
        buyer.address(service, "mx1-3", lambda _: None)


@pytest.mark.parametrize(
    "entry",
    [
        "2001:db8::7",
        "10.0.0.5",
        "127.0.0.1",
        "100.64.0.1",
        "198.18.1.77/24",
        "::ffff:198.18.1.77",
        "0.0.0.0",  # noqa: S104 - no bind
        "",
        " ",
    ],
)
def test_entry_of_another_kind_is_no_candidate(
    buyer: Buyer, journal: FileJournal, hostwinds_account: HostwindsAccount, entry: str
) -> None:
    service = buy(buyer, journal, "acme-mx1-abc123")
    [server] = hostwinds_account.all_servers()
    server.ips += [entry, entry, server.main_ip]
    with fault_shown(PENDING, service_id=service):
        buyer.address(service, "mx1-2", lambda _: None)
    assert journal.adopted(str(service)) == []


def test_address_of_another_server_is_no_candidate(
    buyer: Buyer, journal: FileJournal, hostwinds_account: HostwindsAccount
) -> None:
    service = buy(buyer, journal, "acme-mx1-abc123")
    other = buy(buyer, journal, "acme-mx2-abc123")
    adopted = hostwinds_account.attach(other)
    assert buyer.address(other, "mx2-2", lambda _: None) == adopted
    first, second = hostwinds_account.all_servers()
    first.ips += [second.main_ip, adopted]
    with fault_shown(PENDING, service_id=service):
        buyer.address(service, "mx1-2", lambda _: None)


def test_entry_that_was_adopted_by_mistake_is_replaced(
    buyer: Buyer, journal: FileJournal, hostwinds_account: HostwindsAccount
) -> None:
    service = buy(buyer, journal, "acme-mx1-abc123")
    journal.settle(f"{service}/mx1-2", "2001:db8::7")
    [server] = hostwinds_account.all_servers()
    server.ips.append("2001:db8::7")
    bought = hostwinds_account.attach(service)
    assert buyer.address(service, "mx1-2", lambda _: None) == bought
