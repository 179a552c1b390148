"""The reconciler's look at the account: few requests, and no answer changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from controlplane.hostwinds.servers import ALONE_SECONDS, PROOF_SECONDS, HostwindsServers
from controlplane.reconciler.ports import Server
from hostwinds.faults import NOT_SHOWN
from hostwinds.journal.file import FileJournal
from lab.hostwinds.account import HostwindsAccount
from tests.integration.hostwinds.conftest import KEY, Clock

ENTRY = {"type": "outbound", "created": "2026-11-24 10:00:00", "invoice_id": None}


@pytest.fixture
def servers(url: str, tmp_path: Path, clock: Clock) -> HostwindsServers:
    environment = {
        "HOSTWINDS_API_URL": url,
        "HOSTWINDS_API_KEY": KEY,
        "HOSTWINDS_JOURNAL": str(tmp_path / "journal.json"),
        "HOSTWINDS_RATE": "1000",
    }
    return HostwindsServers(environment, clock=clock)


@pytest.fixture
def three(hostwinds_account: HostwindsAccount, clock: Clock) -> Sequence[int]:
    ids = [booted(hostwinds_account, f"acme-mx{number}-abc123") for number in (1, 2, 3)]
    clock.pause(120)
    return ids


def booted(hostwinds_account: HostwindsAccount, name: str) -> int:
    """Order a server, and return its number when it has booted."""
    number = hostwinds_account.order(name, "52", 12)
    hostwinds_account.owned(number).wait_for_boot()
    return number


def use_listing(servers: HostwindsServers) -> None:
    """List the account, as the sweep does, and answer by that."""
    listing = servers.listed()
    assert listing is not None
    servers.use(listing.main_ips)


def bought(three: Sequence[int], tmp_path: Path) -> FileJournal:
    """Return the journal in which these servers are purchases."""
    journal = FileJournal(tmp_path / "journal.json")
    for number, service_id in enumerate(three, 1):
        journal.settle(f"acme-mx{number}-abc123", str(service_id), "1")
    return journal


def test_what_the_provider_lists_is_shown_in_its_words(
    servers: HostwindsServers, three: Sequence[int], hostwinds_account: HostwindsAccount
) -> None:
    hostwinds_account.smtp_filters.append(ENTRY)
    spam = servers.spam(three[0])
    assert spam == ("type outbound, created 2026-11-24 10:00:00",)
    listing = servers.listed()
    assert listing is not None
    servers.use(listing.main_ips, {three[0]: spam})
    assert [server.spam for server in servers.look(three, {}).values()] == [spam, None, None]


@pytest.mark.parametrize("answers", ["live", "documented"])
def test_main_address_is_that_of_the_listing_in_use(
    servers: HostwindsServers,
    three: Sequence[int],
    hostwinds_account: HostwindsAccount,
    answers: str,
) -> None:
    hostwinds_account.switchboard.change({"answers": answers, "address_lists": "mixed"})
    assert servers.look(three, {}) == {}, "none was given yet"
    use_listing(servers)
    before = servers.look(three, {})
    hostwinds_account.move(three[0])
    assert servers.look(three, {}) == before
    use_listing(servers)
    [moved] = [s for s in hostwinds_account.all_servers() if s.serviceid == three[0]]
    assert servers.look(three, {})[three[0]].main_ip == moved.main_ip != before[three[0]].main_ip


@pytest.mark.parametrize("key", ["rotated", "expired"])
def test_no_answer_is_no_change(
    servers: HostwindsServers,
    three: Sequence[int],
    hostwinds_account: HostwindsAccount,
    clock: Clock,
    key: str,
) -> None:
    hostwinds_account.switchboard.change({"key": key})
    assert servers.listed() is None
    hostwinds_account.switchboard.restore()
    use_listing(servers)
    clock.pause(60)
    hostwinds_account.faults.inject("odd_read")
    hostwinds_account.settings.only = "get_smtp_filters"
    assert servers.spam(three[0]) is None
    shown = servers.look(three[:1], {})
    assert shown == {three[0]: Server(shown[three[0]].main_ip, None)}


def test_server_that_has_ended_is_known_to_be_gone_and_whether_another_may_be_bought(
    servers: HostwindsServers,
    three: Sequence[int],
    hostwinds_account: HostwindsAccount,
    clock: Clock,
    tmp_path: Path,
) -> None:
    journal = bought(three, tmp_path)
    hostwinds_account.end(three[0])
    use_listing(servers)
    assert servers.look(three, {})[three[0]] == Server("", None, exists=False, is_recent=True)
    journal.close("acme-mx1-abc123")
    shown = servers.look(three, {})[three[0]]
    assert shown == Server("", None, exists=False, is_forgotten=True, is_recent=True)
    assert all(servers.look(three, {})[one].exists for one in three[1:])


def test_later_listing_of_another_process_counts(
    servers: HostwindsServers,
    three: Sequence[int],
    hostwinds_account: HostwindsAccount,
    tmp_path: Path,
) -> None:
    bought(three, tmp_path)
    use_listing(servers)
    hostwinds_account.end(three[0])
    shown = servers.look(three, {three[0]: None, three[1]: "198.51.100.77"})
    assert shown[three[0]] == Server("", None, exists=False, is_recent=True)
    assert shown[three[1]].main_ip == "198.51.100.77"
    assert shown[three[2]].exists


def test_server_is_not_taken_for_gone_by_a_key_that_shows_nothing_of_its_account(
    servers: HostwindsServers,
    three: Sequence[int],
    hostwinds_account: HostwindsAccount,
    clock: Clock,
    tmp_path: Path,
) -> None:
    journal = FileJournal(tmp_path / "journal.json")
    journal.settle("acme-mx1-abc123", str(three[0]), "1")
    for service_id in three:
        hostwinds_account.end(service_id)
    use_listing(servers)
    assert servers.look(three[:1], {}) == {}
    hostwinds_account.faults.inject("unauthorized", times=-1)
    clock.pause(60)
    assert servers.look(three[:1], {}) == {}


@pytest.mark.parametrize(("pause", "is_gone"), [(60, True), (PROOF_SECONDS, False)])
def test_only_server_of_the_account_is_gone_if_the_key_has_shown_it_lately(
    servers: HostwindsServers,
    hostwinds_account: HostwindsAccount,
    clock: Clock,
    tmp_path: Path,
    *,
    pause: float,
    is_gone: bool,
) -> None:
    only = booted(hostwinds_account, "acme-mx1-abc123")
    clock.pause(120)
    bought([only], tmp_path)
    use_listing(servers)
    hostwinds_account.end(only)
    clock.pause(pause)
    use_listing(servers)
    gone = [id_ for id_, server in servers.look([only], {}).items() if not server.exists]
    assert gone == [only] * is_gone


def test_listing_says_which_servers_are_still_created(
    servers: HostwindsServers,
    three: Sequence[int],
    hostwinds_account: HostwindsAccount,
    clock: Clock,
) -> None:
    hostwinds_account.settings.active_after = 600
    created = booted(hostwinds_account, "acme-mx4-abc123")
    finished = {f"acme-mx{number}-abc123" for number in (1, 2, 3)}
    clock.pause(120)
    listing = servers.listed()
    assert listing is not None
    assert created in listing.main_ips
    assert listing.finished == finished
    clock.pause(600)
    listing = servers.listed()
    assert listing is not None
    assert listing.finished == {*finished, "acme-mx4-abc123"}


@pytest.fixture
def ending(
    servers: HostwindsServers, hostwinds_account: HostwindsAccount, clock: Clock, tmp_path: Path
) -> int:
    """The number of the only server of the account, whose end a run has asked for."""
    service = booted(hostwinds_account, "acme-mx1-abc123")
    clock.pause(120)
    journal = FileJournal(tmp_path / "journal.json")
    journal.settle("acme-mx1-abc123", str(service), "1")
    journal.begin_end("acme-mx1-abc123")
    return service


def test_listing_closes_the_purchase_of_a_server_that_a_run_has_ended(
    servers: HostwindsServers, ending: int, hostwinds_account: HostwindsAccount, tmp_path: Path
) -> None:
    journal = FileJournal(tmp_path / "journal.json")
    listing = servers.listed()
    assert listing is not None
    assert listing.unended == []
    assert [row.outcome for row in journal.intents()] == [str(ending)]
    hostwinds_account.end(ending)
    servers.listed()
    assert journal.intents() == []


def test_listing_that_shows_nothing_closes_no_purchase_without_an_earlier_one(
    servers: HostwindsServers,
    ending: int,
    hostwinds_account: HostwindsAccount,
    clock: Clock,
    tmp_path: Path,
) -> None:
    servers.listed()
    clock.pause(PROOF_SECONDS)
    hostwinds_account.end(ending)
    listing = servers.listed()
    assert listing is not None
    assert listing.unended == [NOT_SHOWN(service_id=ending, name="acme-mx1-abc123").sentence]
    assert FileJournal(tmp_path / "journal.json").intents()


def test_listing_says_which_servers_do_not_run_or_may_not_be_changed(
    servers: HostwindsServers, three: Sequence[int], hostwinds_account: HostwindsAccount
) -> None:
    suspended, off, locked = three
    hostwinds_account.suspend(hostwinds_account.owned(suspended), suspended=True)
    hostwinds_account.power("shutdown", off)
    hostwinds_account.owned(locked).locked = True
    listing = servers.listed()
    assert listing is not None
    assert listing.troubles == {suspended: "suspended", off: "shut down", locked: "locked"}


def test_one_server_that_a_person_waits_for_is_asked_about_once_in_a_second(
    servers: HostwindsServers,
    three: Sequence[int],
    hostwinds_account: HostwindsAccount,
    clock: Clock,
) -> None:
    off, on, _ = three
    hostwinds_account.power("shutdown", off)
    assert servers.trouble(off) == "shut down"
    assert servers.trouble(on) is None, "one was asked about a moment ago"
    clock.pause(ALONE_SECONDS)
    assert servers.trouble(on) == ""
    clock.pause(ALONE_SECONDS)
    assert servers.trouble(4711) is None


def test_purchase_of_a_server_that_has_ended_is_closed_and_no_other(
    servers: HostwindsServers,
    three: Sequence[int],
    hostwinds_account: HostwindsAccount,
    tmp_path: Path,
) -> None:
    journal = bought(three, tmp_path)
    hostwinds_account.end(three[0])
    use_listing(servers)
    with patch("controlplane.hostwinds.servers.RECENT", timedelta(0)):
        assert not servers.look(three, {})[three[0]].is_recent
    servers.forget(three[0])
    assert servers.look(three, {})[three[0]].is_forgotten
    journal.settle("acme-mx1-abc123", "4711", "1")
    servers.forget(three[0])
    left = {row.outcome for row in journal.intents()}
    assert left == {"4711", *map(str, three[1:])}, "the later purchase of that name stays"
