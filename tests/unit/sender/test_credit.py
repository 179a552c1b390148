"""The credit of a bucket: each reason alone, the choice of the address, and what always holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprint.hours import Hours
from blueprint.tenant import SendingHours, Warmup
from sender import reasons
from sender.policy.buckets import credit
from sender.policy.caps import cap
from sender.policy.model import (
    AddressState,
    BucketSnapshot,
    Cap,
    Egress,
    Hold,
    Kind,
    Subject,
    Warm,
    at_provider,
)
from sender.policy.names import BucketName
from sender.policy.spreading import BURST, Pace
from sender.reasons import REASONS
from sender.schemas import Stop, StopScope

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
TOMORROW = datetime(2026, 11, 25, tzinfo=UTC)
MAILBOX = Subject(Kind.MAILBOX, "sales@acme.example")
DOMAIN = Subject(Kind.DOMAIN, "acme.example")


def egress(number: int, most: int = 50, **changes: Any) -> Egress:
    ip = f"198.18.1.{number}"
    fields: dict[str, Any] = {
        "name": f"mx1-{number}",
        "ip": ip,
        "state": AddressState.READY,
        "cap": Cap(Subject(Kind.ADDRESS, ip), most, most),
        "provider_cap": Cap(at_provider(ip, "google"), most, most),
    }
    return Egress(**fields | changes)


def used(one: Egress, count: int) -> Egress:
    return replace(one, cap=replace(one.cap, used=count))


SNAPSHOT = BucketSnapshot(
    now=NOW,
    mailbox="sales@acme.example",
    domain="acme.example",
    provider="google",
    is_published=True,
    has_domain=True,
    has_mailbox=True,
    has_footer=True,
    is_verified=True,
    domain_cap=Cap(DOMAIN, 100, 100),
    mailbox_cap=Cap(MAILBOX, 50, 50),
    addresses=(egress(2), egress(3)),
    home="mx1-2",
)
STOP = Stop(
    id=UUID(int=1),
    scope=StopScope.TENANT,
    tenant_id=UUID(int=7),
    name=None,
    reason="complaints",
    actor="pm_live_abcdefgh",
    by_operator=True,
    since=NOW,
)
OFFICE = Hours.of(
    SendingHours.model_validate(
        {"timezone": "Europe/Berlin", "hours": "09:00-17:00", "days": ["mon", "tue"]}
    )
)


def test_bucket_without_obstacles_has_the_credit_of_an_hour_at_its_home() -> None:
    found = credit(SNAPSHOT)
    assert (found.count, found.reason, found.until) == (10, reasons.HOME_ADDRESS, None)
    assert found.egress is not None
    assert found.egress.name == "mx1-2"
    assert [one.subject.kind for one in found.caps] == ["address", "domain", "mailbox", "provider"]


HOLD = Hold(DOMAIN, reasons.HELD, "complaints", TOMORROW)


@pytest.mark.parametrize(
    ("change", "reason", "until"),
    [
        ({"stops": (STOP,)}, "stopped", None),
        ({"holds": (HOLD,)}, "held", TOMORROW),
        ({"holds": (replace(HOLD, until=None), HOLD)}, "held", None),
        ({"is_published": False}, "not_published", None),
        ({"has_domain": False}, "domain_unknown", None),
        ({"has_mailbox": False}, "mailbox_unknown", None),
        ({"has_footer": False}, "no_postal_address", None),
        ({"is_verified": False}, "domain_not_verified", None),
        ({"provider": None}, "provider_unresolved", None),
        ({"addresses": ()}, "address_not_ready", None),
        ({"now": NOW + timedelta(hours=9), "hours": OFFICE}, "outside_hours",
         datetime(2026, 11, 30, 8, tzinfo=UTC)),
        ({"mailbox_cap": Cap(MAILBOX, 50, 50, 50, 10)}, "mailbox_cap_reached", ...),
        ({"domain_cap": Cap(DOMAIN, 20, 20, 20)}, "domain_cap_reached", ...),
        ({"addresses": (used(egress(2), 50), used(egress(3), 50))}, "warmup_cap_reached", ...),
        ({"mailbox_cap": Cap(MAILBOX, 50, 50, 20, 10)}, "hour_cap_reached",
         datetime(2026, 11, 24, 13, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_bucket_with_one_obstacle_waits_for_its_reason(
    change: dict[str, Any], reason: str, until: Any
) -> None:
    found = credit(replace(SNAPSHOT, **change))
    assert (found.count, found.reason, found.egress) == (0, reason, None)
    if until is ...:
        assert found.until is not None
        assert TOMORROW <= found.until < TOMORROW + timedelta(hours=12)
    else:
        assert found.until == until
    known = REASONS.get(found.reason)
    assert known is not None
    assert known.release


@pytest.mark.parametrize("kind", ["state", "stop", "hold"])
def test_trouble_of_a_home_is_not_carried_to_another_address(kind: str) -> None:
    hold = Hold(Subject(Kind.ADDRESS, "198.18.1.2"), reasons.HOST_REFUSED, "no", None)
    troubles: dict[str, Any] = {"state": AddressState.NOT_READY, "stop": STOP, "hold": hold}
    addresses = (egress(2, **{kind: troubles[kind]}), egress(3))
    found = credit(replace(SNAPSHOT, addresses=addresses))
    assert found.count == 0
    assert found.reason in ("address_not_ready", "stopped", "host_refused")


def test_home_that_is_draining_gives_its_mail_another_home() -> None:
    addresses = (egress(2, state=AddressState.DRAINING), egress(3))
    found = credit(replace(SNAPSHOT, addresses=addresses))
    assert found.egress is not None
    assert (found.egress.name, found.settles_home) == ("mx1-3", True)
    alone = credit(replace(SNAPSHOT, addresses=addresses[:1]))
    assert (alone.count, alone.reason) == (0, "address_draining")


def test_home_that_is_gone_gives_its_mail_another_home() -> None:
    found = credit(replace(SNAPSHOT, home="mx9-1"))
    assert found.egress is not None
    assert found.settles_home


def test_provider_cap_of_the_day_overflows_like_that_of_the_address() -> None:
    full = replace(egress(2), provider_cap=replace(egress(2).provider_cap, used=50))
    found = credit(replace(SNAPSHOT, addresses=(full, egress(3))))
    assert found.egress is not None
    assert (found.egress.name, found.settles_home) == ("mx1-3", False)
    other = replace(egress(3), provider_cap=replace(egress(3).provider_cap, used=50))
    none = credit(replace(SNAPSHOT, addresses=(full, other)))
    assert (none.count, none.reason) == (0, "provider_cap_reached")


def test_home_that_has_used_its_hour_does_not_overflow() -> None:
    busy = replace(egress(2), cap=replace(egress(2).cap, used=10, used_in_hour=10))
    assert credit(replace(SNAPSHOT, addresses=(busy, egress(3)))).reason == "hour_cap_reached"


def test_what_a_home_has_no_place_for_leaves_from_the_others_in_turn() -> None:
    """Batches of one and of many: no other address is more than a batch ahead."""
    addresses = [used(egress(2), 50), egress(3), egress(4), egress(5)]
    wide = replace(SNAPSHOT, mailbox_cap=Cap(MAILBOX, 500, 500), domain_cap=Cap(DOMAIN, 500, 500))
    for batch in (1, 5, 2, 5, 1, 4, 3, 5, 2, 3):
        found = credit(replace(wide, addresses=tuple(addresses)))
        assert found.egress is not None
        index = next(i for i, one in enumerate(addresses) if one.name == found.egress.name)
        addresses[index] = used(addresses[index], addresses[index].cap.used + batch)
        counts = [one.cap.used for one in addresses[1:]]
        assert max(counts) - min(counts) <= 5


def test_homes_are_spread_evenly_over_addresses() -> None:
    homes: Counter[str] = Counter()
    for _ in range(9):
        addresses = tuple(egress(number, homes=homes[f"mx1-{number}"]) for number in (2, 3, 4))
        found = credit(replace(SNAPSHOT, home=None, addresses=addresses))
        assert found.egress is not None
        assert found.settles_home
        homes[found.egress.name] += 1
    assert sorted(homes.values()) == [3, 3, 3]


class TestCaps:
    @pytest.mark.parametrize("warmup", Warmup)
    def test_new_address_and_mailbox_begin_on_their_first_day(self, warmup: Warmup) -> None:
        assert cap(Warm(Subject(Kind.ADDRESS, "198.18.1.2")), warmup).most <= 50
        assert cap(Warm(at_provider("198.18.1.2", "google")), warmup).most <= 50
        assert cap(Warm(MAILBOX), warmup, daily_cap=500).most <= 15

    @pytest.mark.parametrize("warmup", Warmup)
    def test_mailbox_never_sends_more_than_receivers_bear(self, warmup: Warmup) -> None:
        assert cap(Warm(MAILBOX, 1000), warmup, daily_cap=500).most == 150
        assert cap(Warm(MAILBOX, 1000), warmup, daily_cap=50).most == 50

    @pytest.mark.parametrize(
        ("most", "hour"), [(0, 0), (1, 1), (2, 2), (10, 3), (50, 10), (1200, 240)]
    )
    def test_hour_has_a_fifth_of_the_day_and_at_least_a_burst(self, most: int, hour: int) -> None:
        assert Cap(MAILBOX, most, most).most_in_hour == hour


class TestSpreading:
    paced = replace(SNAPSHOT, hours=OFFICE, pace=Pace.idle(NOW))

    def test_first_mails_of_an_idle_bucket_go_at_once_and_then_one_by_one(self) -> None:
        assert credit(self.paced).count == BURST
        spent = replace(self.paced, pace=Pace(0, NOW))
        found = credit(spent)
        assert (found.count, found.reason) == (0, "spread")
        step = timedelta(hours=8) / 50
        assert found.until is not None
        assert abs(found.until - (NOW + step)) < timedelta(seconds=1)
        later = credit(replace(spent, now=found.until))
        assert later.count == 1

    def test_replies_and_operators_mail_do_not_wait_for_hours(self) -> None:
        night = replace(SNAPSHOT, now=NOW + timedelta(hours=9))
        assert credit(replace(night, hours=OFFICE)).count == 0
        assert credit(night).count > BURST

    def test_buckets_that_share_a_cap_share_its_rate(self) -> None:
        alone = replace(self.paced, pace=Pace(0, NOW))
        shared = replace(alone, mailbox_cap=replace(SNAPSHOT.mailbox_cap, sharers=2))
        first, second = credit(alone).until, credit(shared).until
        assert first is not None
        assert second is not None
        assert abs((second - NOW) - 2 * (first - NOW)) < timedelta(seconds=1)

    def test_capped_buckets_are_not_all_released_at_midnight(self) -> None:
        full = replace(
            SNAPSHOT, mailbox_cap=Cap(MAILBOX, 50, 50, 50), hours=Hours.of(SendingHours())
        )
        moments = [
            credit(replace(full, mailbox=f"{number}@acme.example")).until for number in range(200)
        ]
        found = sorted((moment - TOMORROW).total_seconds() for moment in moments if moment)
        step = 86400 / 50
        assert len(found) == 200
        assert found[-1] <= step
        assert max(Counter(int(second // 60) for second in found).values()) < 25

    def test_a_capped_day_is_followed_by_one_that_begins_with_the_hours(self) -> None:
        full = replace(self.paced, mailbox_cap=Cap(MAILBOX, 50, 50, 50))
        until = credit(full).until
        assert until is not None
        assert until >= datetime(2026, 11, 30, 8, tzinfo=UTC)  # the next Monday


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    "written", ["09:00-17:00", "00:00-24:00", "22:00-06:00", "02:15-02:45", "02:30-03:10"]
)
@settings(max_examples=25)
@given(
    minutes=st.integers(0, 366 * 24 * 60),
    seconds=st.floats(0, 10 * 86400),
    days=st.sets(st.sampled_from(range(7)), min_size=1),
)
def test_open_time_is_counted_the_same_forwards_and_backwards_also_when_clocks_change(
    zone: str, written: str, minutes: int, seconds: float, days: set[int]
) -> None:
    first, last = written.split("-")
    hours = replace(Hours.of(SendingHours(timezone=zone, hours=written)), days=frozenset(days))
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    until = hours.after(now, seconds)
    assert until >= now
    assert hours.open_between(now, until) == pytest.approx(seconds, abs=1e-3)
    local = until.astimezone(ZoneInfo(zone))
    if written == "09:00-17:00":
        assert first <= local.strftime("%H:%M") < last
        assert local.weekday() in days
    assert hours.opens(until) == until


@pytest.mark.parametrize(
    ("day", "hours"),
    [(datetime(2026, 3, 29, tzinfo=UTC), 23), (datetime(2026, 10, 25, tzinfo=UTC), 25)],
)
def test_day_on_which_clocks_change_has_its_own_length(day: datetime, hours: int) -> None:
    berlin = Hours.of(SendingHours(timezone="Europe/Berlin", days=("sun",)))
    start = berlin.opens(day - timedelta(days=1))
    assert berlin.open_between(start, start + timedelta(days=2)) == hours * 3600


def caps(kind: Subject) -> st.SearchStrategy[Cap]:
    most = st.integers(1, 300)
    return most.flatmap(
        lambda top: st.builds(
            Cap,
            st.just(kind),
            st.just(top),
            st.just(top),
            st.integers(0, top + 5),
            st.integers(0, top),
            st.integers(1, 4),
        )
    )


@settings(max_examples=60)
@given(
    mailbox=caps(MAILBOX),
    domain=caps(DOMAIN),
    own=st.lists(st.tuples(caps(egress(2).cap.subject), caps(egress(2).provider_cap.subject)),
                 min_size=1, max_size=3),
    saved=st.floats(-2, 3),
    minute=st.integers(0, 14 * 24 * 60),
    hours=st.sampled_from([None, OFFICE, Hours.of(SendingHours())]),
)  # fmt: skip
def test_credit_never_exceeds_a_cap_and_waiting_always_ends(
    mailbox: Cap, domain: Cap, own: list[tuple[Cap, Cap]], saved: float, minute: int,
    hours: Hours | None,
) -> None:  # fmt: skip
    addresses = tuple(
        egress(number, cap=first, provider_cap=second)
        for number, (first, second) in enumerate(own, 2)
    )
    now = NOW + timedelta(minutes=minute)
    found = credit(
        replace(
            SNAPSHOT,
            now=now,
            mailbox_cap=mailbox,
            domain_cap=domain,
            addresses=addresses,
            hours=hours,
            pace=Pace(saved, now - timedelta(hours=1)),
        )
    )
    if found.count:
        assert found.egress in addresses
        for one in (mailbox, domain, found.egress.cap, found.egress.provider_cap):
            assert one.used + found.count <= one.most
            assert one.used_in_hour + found.count <= max(BURST, one.most // 5)
        assert hours is None or found.count <= BURST
    else:
        assert found.until is not None
        assert now < found.until <= now + timedelta(days=9)


@pytest.mark.parametrize(
    "name",
    [
        BucketName("sales@acme.example", "google"),
        BucketName("sales@acme.example", None, "rcpt.example", is_reply=True),
        BucketName("sales@acme.example", "other", is_reply=True, is_transactional=True),
        BucketName("sales@acme.example", "other", is_operators=True),
        BucketName("sales@acme.example", "google").apart("low", "Transactional"),
        BucketName("sales@acme.example", None, "queue.example").apart("high", None),
    ],
    ids=str,
)
def test_name_of_a_bucket_has_its_parts(name: BucketName) -> None:
    assert BucketName.parse(str(name)) == name


def test_bucket_of_before_there_were_providers_counts_as_the_rest() -> None:
    assert BucketName.parse("sales@acme.example") == BucketName("sales@acme.example", "other")
