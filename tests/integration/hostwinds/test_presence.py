"""That a server is gone is believed only with proof that the key shows its account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from hostwinds.client import Client
from hostwinds.faults import NOT_SHOWN, UNAUTHORIZED, UNKNOWN_SERVICE, VANISHED
from hostwinds.journal import Journal, close_server
from hostwinds.provider.resources import RESOURCES, Services
from hostwinds.purchase import Buyer, Deadlines, Order
from kit.faults import Fault
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import Clock
from tests.support.faults import any_values, assert_shows, fault_shown

NAMES = ("acme-mx1-abc123", "acme-mx2-def456", "acme-mx3-fed789")
KEYS: dict[str, dict[str, object]] = {
    "rotated": {"key": "rotated"},
    "expired": {"key": "expired"},
    "of another account": {"userid": 2},
}
Act = Callable[["Visit"], object]


class Visit:
    """One visit of the account: what a key has shown is known to its end."""

    def __init__(self, client: Client, journal: Journal, clock: Clock) -> None:
        start = datetime.now(UTC)
        self.journal = journal
        self.client = client
        self.buyer = Buyer(
            client,
            journal,
            Deadlines(portal=0),
            clock=lambda: start + timedelta(seconds=clock.now),
            pause=clock.pause,
        )
        self.services = Services(client, self.buyer, lambda _: None)

    def buy(self, name: str) -> int:
        self.journal.agree(name, 999)
        return self.buyer.instance(order(name), lambda _: None).service_id

    def read(self, kind: str, id_: str, **state: object) -> object:
        return RESOURCES[f"hostwinds:index:{kind}"].read(id_, state, self.services)

    def delete(self, kind: str, id_: str, **state: object) -> object:
        return RESOURCES[f"hostwinds:index:{kind}"].delete(id_, state, self.services)


def order(name: str) -> Order:
    return Order(name, 1, 2048, 50, "Seattle", "Debian 13")


ADDRESS = {"serviceId": 1001, "name": "mx1-2", "address": "198.18.1.11"}
MEMBERS: dict[str, Act] = {
    "read server": lambda v: v.read("Instance", "1001", serverName=NAMES[0]),
    "read address": lambda v: v.read("SecondaryAddress", "1001/mx1-2", **ADDRESS),
    "read pending address": lambda v: v.read("SecondaryAddress", "1001/mx1-3"),
    "read pointer": lambda v: v.read(
        "ReverseDns", "198.18.1.10", serviceId=1001, address="198.18.1.10", hostname="a.example"
    ),
    "read firewall": lambda v: v.read("Firewall", "1001", serviceId=1001),
    "end server": lambda v: v.delete("Instance", "1001", serverName=NAMES[0]),
    "end address": lambda v: v.delete("SecondaryAddress", "1001/mx1-2", **ADDRESS),
    "end purchase": lambda v: v.buyer.end_purchase(NAMES[0], lambda _: None),
    "complete server": lambda v: v.buyer.instance(order(NAMES[0]), lambda _: None),
    "complete address": lambda v: v.buyer.address(1001, "mx1-2", lambda _: None),
    "request address": lambda v: v.buyer.address(1001, "mx1-3", lambda _: None),
    "buy another": lambda v: v.buy(NAMES[2]),
    "root password": lambda v: v.client.root_password(1001),
    "set pointer": lambda v: v.client.set_pointer(1001, "198.18.1.10", "mx1.acme.example"),
}


@pytest.fixture
def visit(client: Client, journal: Journal, clock: Clock) -> Callable[[], Visit]:
    return lambda: Visit(client, journal, clock)


@pytest.fixture
def bought(visit: Callable[[], Visit], hostwinds_account: HostwindsAccount) -> int:
    """A server with an address that was adopted."""
    service = visit().buy(NAMES[0])
    hostwinds_account.attach(service)
    assert visit().buyer.address(service, "mx1-2", lambda _: None) == "198.18.1.11"
    return service


@pytest.mark.parametrize("key", KEYS)
def test_nothing_is_gone_for_a_key_that_does_not_show_its_account(
    visit: Callable[[], Visit],
    bought: int,
    journal: Journal,
    hostwinds_account: HostwindsAccount,
    key: str,
) -> None:
    assert bought == 1001
    before = [row for row in journal.ledger() if row.ordered]
    hostwinds_account.switchboard.change(KEYS[key])
    if key == "of another account":
        hostwinds_account.order("somebody-else", "52", 12)
    invoices = len(hostwinds_account.ledger)
    for name, act in MEMBERS.items():
        with pytest.raises(Fault) as caught:
            act(visit())
        code = caught.value.code
        assert code in (NOT_SHOWN, UNAUTHORIZED, UNKNOWN_SERVICE), (name, caught.value)
        assert_shows(caught.value, code, **any_values(code))
    after = [row for row in journal.ledger() if row.ordered and "mx1-3" not in row.key]
    assert after == before
    assert len(hostwinds_account.ledger) == invoices
    hostwinds_account.switchboard.restore()
    [server] = [s for s in hostwinds_account.all_servers() if s.serviceid == bought]
    assert server.ips == ["198.18.1.10", "198.18.1.11"]


GONE: dict[str, Act] = {name: MEMBERS[name] for name in MEMBERS if name.startswith("read ")}


def test_listing_with_another_server_of_the_account_proves_that_one_is_gone(
    visit: Callable[[], Visit], bought: int, journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    visit().buy(NAMES[1])
    hostwinds_account.end(bought)
    for name, act in GONE.items():
        assert act(visit()) is None, name
    for act in (MEMBERS["complete server"], MEMBERS["complete address"]):
        with fault_shown(VANISHED, what=...):
            act(visit())
    MEMBERS["end address"](visit())
    MEMBERS["end server"](visit())
    assert [row.key for row in journal.intents()] == [NAMES[1]]


def test_listing_with_a_foreign_name_of_the_same_account_proves_it(
    visit: Callable[[], Visit],
    bought: int,
    hostwinds_account: HostwindsAccount,
    clock: Clock,
) -> None:
    hostwinds_account.order("our-web-server", "52", 12)
    clock.pause(120)
    hostwinds_account.end(bought)
    assert visit().read("Instance", str(bought), serverName=NAMES[0]) is None


def test_empty_account_proves_nothing_until_a_person_has_looked(
    visit: Callable[[], Visit], bought: int, journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    hostwinds_account.end(bought)
    for act in (*GONE.values(), MEMBERS["end server"], MEMBERS["buy another"]):
        with fault_shown(NOT_SHOWN, service_id=bought, name=NAMES[0]):
            act(visit())
    close_server(journal, NAMES[0])
    for name, act in GONE.items():
        assert act(visit()) is None, name
    MEMBERS["end server"](visit())
    assert journal.intents() == []
    assert len([row for row in journal.ledger() if row.outcome]) == 2


def test_last_server_is_ended_in_one_visit(
    visit: Callable[[], Visit], bought: int, journal: Journal, hostwinds_account: HostwindsAccount
) -> None:
    hostwinds_account.settings.lands_after = 60
    visit().buyer.end_instance(bought, NAMES[0], lambda _: None)
    assert list(hostwinds_account.all_servers()) == []
    assert journal.intents() == []


def test_server_without_a_row_is_gone_after_a_person_has_looked(
    visit: Callable[[], Visit], journal: Journal
) -> None:
    """As after the loss of the journal."""
    end = MEMBERS["end server"]
    with fault_shown(NOT_SHOWN, service_id=1001, name=NAMES[0]):
        end(visit())
    close_server(journal, NAMES[0])
    end(visit())


def test_server_that_a_person_has_forgotten_is_still_there_while_it_is_shown(
    visit: Callable[[], Visit], bought: int, journal: Journal
) -> None:
    close_server(journal, NAMES[0])
    assert visit().read("Instance", str(bought), serverName=NAMES[0]) is not None


@pytest.mark.parametrize(("known", "gone"), [("1", False), ("2", True), ("", False)])
def test_server_of_another_account_is_not_gone_for_a_key_of_the_second_one(
    visit: Callable[[], Visit],
    journal: Journal,
    hostwinds_account: HostwindsAccount,
    clock: Clock,
    known: str,
    gone: bool,
) -> None:
    """The key of account 2 lists a purchase that a person has settled without its account."""
    hostwinds_account.settings.userid = 2
    second = hostwinds_account.order(NAMES[1], "52", 12)
    clock.pause(120)
    for name, outcome, account in (
        (NAMES[0], "7001", known),
        (NAMES[1], str(second), ""),
        (NAMES[2], "7002", "1"),
        ("beta-mx1-0a1b2c", "7003", "2"),
    ):
        journal.open(name)
        journal.settle(name, outcome, account)
    visited = visit()
    visited.buyer.presence.listed()
    if gone:
        assert visited.read("Instance", "7001", serverName=NAMES[0]) is None
    else:
        with fault_shown(NOT_SHOWN, service_id="7001", name=NAMES[0]):
            visited.read("Instance", "7001", serverName=NAMES[0])
